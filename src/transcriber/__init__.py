"""Record what a computer plays and hears, transcribe it live, and never lose a word."""
