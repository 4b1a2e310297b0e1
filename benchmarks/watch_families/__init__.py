"""A corpus of trained runs from eighteen families of tasks, and the findings in them."""
