"""Alerts over HTTP on the worker's web port: who may send, what is read, the one record it becomes, the answer.

A post is acknowledged when Kafka has it: nothing is correlated before the answer, and nothing is kept here.
"""
