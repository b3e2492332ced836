"""Variational autoencoders of microstructure images: encoders, decoders, and loading and saving of weights."""

from microtutor.models.networks import DECODERS, ENCODERS
from microtutor.models.prior import Prior
from microtutor.models.vae import VAE, VAEOutput
from microtutor.models.weights import shipped_weights
from microtutor.models.whitening import finish, whiten

__all__ = ["DECODERS", "ENCODERS", "VAE", "Prior", "VAEOutput", "finish", "shipped_weights", "whiten"]
