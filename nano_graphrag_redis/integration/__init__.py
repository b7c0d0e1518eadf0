"""How the storage reaches nano-graphrag: by subclass, by install(), by launcher, by an opt-in .pth file.

Nothing here is imported by `import nano_graphrag_redis` except what adoption needs, and nothing here imports
nano-graphrag unless the user, or the user's program, asked for it.
"""
