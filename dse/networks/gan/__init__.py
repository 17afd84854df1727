"""A generator of images and its discriminator, both perceptrons."""
