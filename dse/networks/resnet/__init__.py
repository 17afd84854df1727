"""Residual networks for small images (He et al., CVPR 2016)."""
