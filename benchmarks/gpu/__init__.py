"""The check on a GPU host: `scripts/gpu-check`. Everything outside `steps/` needs the standard library only."""
