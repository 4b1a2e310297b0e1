"""The regret table: how far every finder's rate is from the best one."""
