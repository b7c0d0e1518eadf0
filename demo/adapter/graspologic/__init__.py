"""The two functions of graspologic that nano-graphrag imports; graspologic-native holds the algorithm.

graspologic itself brings 1 GB of dependencies. This folder is put on the path only where it is not installed.
"""
