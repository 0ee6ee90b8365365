# EVOLVE-BLOCK-START
def label(learn, labels, rows):
    """One threshold on the number that agrees best with the labels."""

    def right(place, at):
        return sum((row[place] > at) == bool(known) for row, known in zip(learn, labels))

    places = [(place, at / 20) for place in (0, 1) for at in range(1, 20)]
    place, at = max(places, key=lambda one: right(*one))
    return [int(row[place] > at) for row in rows]
# EVOLVE-BLOCK-END
