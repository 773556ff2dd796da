"""``opsd promotion`` and ``opsd drill``: how far autonomy may reach."""
