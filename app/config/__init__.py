"""What a run is told: its config, its rows and how they are split."""
