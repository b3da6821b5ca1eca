"""Speed: one question a module, one command each."""
