"""Measures the service from outside, over its REST API."""
