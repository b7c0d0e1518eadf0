"""The folder that `ngr-redis run` puts on PYTHONPATH; Python starts its sitecustomize.py."""
