"""Moving records between nano-graphrag's JSON files and Redis, both ways.

It uses the storage's public methods and knows neither the command line nor how progress is shown.
"""
