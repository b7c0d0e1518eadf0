"""Redis key-value storage for nano-graphrag (https://github.com/gusye1234/nano-graphrag)."""
