"""Life after training: program, age, compensate, evaluate."""
