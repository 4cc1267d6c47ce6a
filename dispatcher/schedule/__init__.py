"""What runs `dispatcher scan` regularly: a line in the user's crontab, or a timer of the user's systemd."""
