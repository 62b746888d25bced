"""mmvad: experiments in weakly supervised, multimodal video anomaly detection."""

__version__ = "0.1.0"
