"""The embedded demonstration: a data set with planted gaps and a teacher on loopback that stands in for a large
model."""
