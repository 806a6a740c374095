"""The AGW encoder and its ResNet trunk (Flax Linen)."""
