"""praxia: staged pretraining with spatial and motion priors for vision-language-action policies."""

__version__ = "0.1.0"
