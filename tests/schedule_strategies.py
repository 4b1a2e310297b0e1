"""Parameters of schedules that tests against other libraries draw."""

from hypothesis import strategies as st

STEPS = st.integers(2, 60)
SHARES = st.floats(0.01, 0.99)
FLOORS = st.sampled_from([0.0, 0.01, 0.1, 0.5])
