"""TensorBoard's files, read back without TensorBoard."""

from tensorboardX.proto.event_pb2 import Event


def events_of(path):
    content, found = path.read_bytes(), []
    while content:  # a length, its checksum, an event, its checksum
        size = int.from_bytes(content[:8], "little")
        found.append(Event.FromString(content[12 : 12 + size]))
        content = content[16 + size :]
    return found


def values_of(path):
    """(step, value) by tag."""
    events = events_of(path)
    return {value.tag: (event.step, value) for event in events for value in event.summary.value}
