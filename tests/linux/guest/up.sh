# Only shows that this kernel boots here: no disk is needed.
pass
