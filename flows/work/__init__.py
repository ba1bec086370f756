"""What commands do: flows/commands has what people type, which is there before this is imported."""
