"""A corpus of trained runs from eighteen families of work, and what the findings say of them."""
