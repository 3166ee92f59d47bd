"""What several peers share: the methods that measuring asks for, and training by PyTorch's autograd.

No module here imports a library before it is imported itself, which happens in a peer's environment alone.
"""
