"""Do it: the only room that starts processes or touches devices."""

import os

# JAX would else take three quarters of a card when it first looks for one: its peak would say nothing, and a
# command that asks which backends can run would leave no room for the processes that it starts. Read when
# JAX is imported: set before anything here can do that.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
