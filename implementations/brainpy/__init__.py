"""The BrainPy backend: the network as dynamical systems, the rules as what their gradients leave out."""
