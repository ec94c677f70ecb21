"""Programs read without running them: what a library is, whom it says it is from, what it hooks, and what its code does."""
