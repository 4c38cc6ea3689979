"""Writes the golden files that the Java code is tested against."""
