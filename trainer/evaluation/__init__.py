"""What a policy is worth: `policy` generates and has it scored, `intervals` says how sure it is."""
