"""The checks of the Doctor, a module for each subject. A check only reads."""
