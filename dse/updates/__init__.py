"""Update rules: from gradients to weights, digitally or in cells."""
