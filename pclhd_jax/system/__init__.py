"""Where the program meets the outside: given paths, text from strangers, private files."""
