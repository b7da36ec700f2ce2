"""The client-server API: one module for each section of the specification, thin functions over the services."""

from oriz_matrix.api.client import (
    capabilities,
    create_room,
    filters,
    login,
    logout,
    membership,
    messages,
    push_rules,
    receipts,
    register,
    rooms,
    state,
    sync,
    typing,
    versions,
    whoami,
)

MODULES = (
    capabilities,
    create_room,
    filters,
    login,
    logout,
    membership,
    messages,
    push_rules,
    receipts,
    register,
    rooms,
    state,
    sync,
    typing,
    versions,
    whoami,
)
