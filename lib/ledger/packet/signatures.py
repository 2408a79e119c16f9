"""The signatures of the entries in a packet: recomputed from the packet alone and checked against given keys. Pure.

An entry in a packet carries everything its signature covers: its text, its id, and its place in a chain that is recomputed. So a
completely forged packet cannot contain signatures by keys the forger does not own.
"""

from collections.abc import Collection, Iterator

from lib.ledger.chain.entry_signatures import count_signatures, entry_fingerprint, has_valid_signature, signature_status
from lib.ledger.chain.hash_chain import DecodedBook, Entry, VolumeRef
from lib.ledger.chain.signatures import KnownKey, TrustedKeys, claims_signature, find_signature, hash_unsigned_text
from lib.ledger.entry.schema import parse_body
from lib.ledger.packet.document import Mismatch, Packet, PacketEntry, PacketKey, PacketSignatures, recompute_chains


def packet_book(packet: Packet) -> DecodedBook:
    """The part of the book in a packet, with its chain recomputed. Entries outside the chain are left out."""
    chains = recompute_chains(packet.book.volumes)
    entries = [_decode_entry(entry) for entry in packet.entries if 1 <= entry.place < len(chains)]
    volumes = tuple(VolumeRef(volume.run_id, volume.first, volume.before) for volume in packet.book.volumes)
    return DecodedBook(tuple(sorted(entries, key=lambda entry: entry.position)), tuple(chains), (), volumes)


def exporters_keys(packet: Packet) -> TrustedKeys:
    """The keys of a packet as claimed by the exporter. Used to display the packet's own page, never to verify it."""
    return TrustedKeys(
        tuple(
            KnownKey(key.fingerprint, key.name, is_own=key.own, is_trusted=key.trusted, public_key=key.key) for key in packet.keys
        )
    )


def packet_keys(book: DecodedBook, positions: Collection[int], keys: TrustedKeys) -> tuple[PacketKey, ...]:
    """The keys that signed the entries at these positions, with what is known about them here."""
    keys_by_fingerprint = dict[str, PacketKey]()
    for entry in book.entries:
        if entry.position in positions and has_valid_signature(book, entry):
            signature, fingerprint = find_signature(entry.body), entry_fingerprint(entry)
            key = keys.find(fingerprint) or KnownKey(fingerprint, is_trusted=False)
            name = "the Podium that created this packet" if key.is_own else key.name
            keys_by_fingerprint[fingerprint] = PacketKey(
                fingerprint=fingerprint,
                key=signature.key if signature else "",
                name=name,
                own=key.is_own,
                trusted=key.is_trusted,
            )
    return tuple(keys_by_fingerprint.values())


def packet_signatures(book: DecodedBook, positions: Collection[int], keys: TrustedKeys) -> PacketSignatures:
    """How many of the entries at these positions are signed, and by whose keys."""
    entries = tuple(entry for entry in book.entries if entry.position in positions)
    counts = count_signatures(DecodedBook(entries, book.chains, (), book.volumes), keys)
    return PacketSignatures(trusted=counts.trusted, unknown=counts.unknown, none=counts.none)


def signature_mismatches(packet: Packet, book: DecodedBook) -> Iterator[Mismatch]:
    """Invalid signatures, and keys and counts that do not match the entries."""
    positions = frozenset(entry.place for entry in packet.entries)
    for entry in book.entries:
        if claims_signature(entry.body) and not has_valid_signature(book, entry):
            yield Mismatch(
                f"entry {entry.position}", "The signature of this entry is not valid for its text, its place or its key."
            )
    keys = exporters_keys(packet)
    expected_keys = {(key.fingerprint, key.key) for key in packet_keys(book, positions, keys)}
    if {(key.fingerprint, key.key) for key in packet.keys} != expected_keys:
        yield Mismatch("keys", "These are not the keys that signed the entries.")
    if packet_signatures(book, positions, keys) != packet.signatures:
        yield Mismatch("signatures", "The number of signatures does not match the entries.")


def trust_problems(packet: Packet, book: DecodedBook, keys: TrustedKeys) -> Iterator[Mismatch]:
    """The reasons why these keys do not vouch for all entries that prove this packet.

    Entries from before a book was first signed are accepted. An unsigned entry after a signed one is a problem, and so is a packet without
    any entry signed by these keys.
    """
    statuses = {entry.position: signature_status(book, entry, keys) for entry in book.entries}
    first_signed = min((position for position, status in statuses.items() if status in ("trusted", "unknown")), default=None)
    shown_positions = frozenset(packet.shown)
    for entry in book.entries:
        position, status = entry.position, statuses[entry.position]
        if position in shown_positions and status == "unknown":
            yield Mismatch(f"entry {position}", f"It is signed by a key that was not given: {entry_fingerprint(entry)}.")
        elif position in shown_positions and status == "none" and first_signed and first_signed < position:
            yield Mismatch(f"entry {position}", f"It is not signed, although the earlier entry {first_signed} is.")
    if "trusted" not in {statuses.get(position) for position in shown_positions}:
        yield Mismatch("signatures", "No entry that proves this is signed by a given key.")


def _decode_entry(entry: PacketEntry) -> Entry:
    body = parse_body(entry.text)
    return Entry(entry.place, entry.id, entry.chain, body, hash_unsigned_text(entry.text, body))
