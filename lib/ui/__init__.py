"""The only Streamlit in lib: the shell, words and cards, cached reads, dialogs. Decides nothing about models."""
