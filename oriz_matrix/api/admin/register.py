"""Registration by shared secret, at the path and in the form of Synapse's admin API, which suites and bridges use."""

from oriz_matrix.services.accounts.credentials import Credentials
from oriz_matrix.services.accounts.shared_secret import Signed
from oriz_matrix.web import endpoint
from oriz_matrix.web.calls import Call
from oriz_matrix.web.endpoint import ADMIN, Auth
from oriz_matrix.web.limits import Limit

PATH = "/_synapse/admin/v1/register"


@endpoint.get(PATH, auth=Auth.NONE, limit=Limit.GENERAL, surface=ADMIN)
async def registration_nonce(call: Call) -> dict[str, str]:
    """GET /_synapse/admin/v1/register."""
    return {"nonce": await call.services.shared_secret.nonce()}


@endpoint.post(PATH, auth=Auth.NONE, limit=Limit.GENERAL, surface=ADMIN)
async def register(call: Call, body: Signed) -> Credentials:
    """POST /_synapse/admin/v1/register."""
    return await call.services.shared_secret.register(body, call.ip)
