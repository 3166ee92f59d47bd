"""Triton kernels: a whole forward pass in one launch, and a whole backward pass in one. No backend.

They import nothing but triton, so that any framework that can launch a Triton kernel can share them.

Letters as in README.md, potentials in units of the threshold. A block of REC neurons (a power of two, at
least 32) holds all n_rec; those beyond have weights 0 and never spike. Presynaptic events are bits: bit i of
word w says whether input, or recurrent neuron, 32 w + i spiked.

Numbers of trials, steps and neurons are not specialized for: a kernel is compiled once for a network, not
again for each shape of batch, and a 1 among them stays a number of the device.
"""
