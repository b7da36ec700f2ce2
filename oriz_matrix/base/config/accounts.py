"""Who may have an account, and how sessions and passwords are kept."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from oriz_matrix.base.config.types import Count, Secret, Section


class Registration(Section, frozen=True, kw_only=True):
    """How accounts come into being. Closed by default: `oriz users create` makes them."""

    enabled: Annotated[bool, Meta(description="Whether strangers may register through their client.")] = False
    without_verification: Annotated[
        bool,
        Meta(
            description=(
                "Whether an account needs no proof of anything (`m.login.dummy`). A server that is open in this way is "
                "soon used for spam, so it must be said in addition to `enabled`."
            )
        ),
    ] = False
    shared_secret: Annotated[
        Secret | None,
        Meta(
            description=(
                "Whoever knows this secret can make accounts, also of administrators, at "
                "`/_synapse/admin/v1/register`; 16 characters or more. Without it that door is shut."
            ),
            examples=["CHANGE-ME"],
        ),
    ] = None
    shared_secret_file: Annotated[
        Path | None, Meta(description="A file that holds `shared_secret`.", examples=["/run/secrets/oriz-registration"])
    ] = None
    guests: Annotated[bool, Meta(description="Whether guests, who have no password, may use the server.")] = False


class Argon2(Section, frozen=True, kw_only=True):
    """The price of one password hash (RFC 9106). What is set here counts for new hashes; old ones stay valid."""

    time_cost: Annotated[Count, Meta(description="Passes over the memory.")] = 3
    memory_kib: Annotated[int, Meta(ge=8, description="Memory of one hash in KiB; at least 8 times `parallelism`.")] = (
        65536
    )
    parallelism: Annotated[Count, Meta(description="Lanes that are computed side by side.")] = 4


class Passwords(Section, frozen=True, kw_only=True):
    """What a password must look like, and how it is hashed."""

    minimum_length: Annotated[Count, Meta(description="The fewest characters of a new password.")] = 8
    maximum_length: Annotated[
        Count, Meta(description="The most characters that are ever hashed; longer is refused.")
    ] = 512
    argon2: Argon2 = Argon2()


class Sessions(Section, frozen=True, kw_only=True):
    """What a login gives."""

    query_string_tokens: Annotated[
        bool,
        Meta(
            description=(
                "Whether an access token in the URL (`?access_token=`) counts. The specification asks for it up to "
                "v1.19 and drops it afterwards (MSC4127), because URLs end in logs."
            )
        ),
    ] = True
