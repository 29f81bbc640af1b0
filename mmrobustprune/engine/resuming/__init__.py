"""Trainings that go on after a kill as if there had been none."""
