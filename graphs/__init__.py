"""The loop: a LangGraph graph over a teacher, a student and a folder of artifacts."""
