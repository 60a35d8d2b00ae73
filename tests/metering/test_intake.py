"""What comes from meters, in whatever state, is handled in a defined way."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.metering.intake import Anomaly, Intake, MeteredEnergy, MeteringPoint
from gridbourse.metering.reading import MAX_SEQUENCE, MEMORY_READINGS, Reading, SignedReading

KEY = SigningKey(bytes(31) + b"\x01")
CURVE_ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141
OTHER_KEY = SigningKey(bytes(31) + b"\x02")
METER = KEY.address
POINT = MeteringPoint(METER, limit_w=4_000)  # 1,000 Wh in a delivery period
START = 1_946_400


def signed(sequence, imported_wh, exported_wh=0, *, period=None, key=KEY, meter=METER):
    period = START + sequence if period is None else period
    return Reading(meter, sequence, period, imported_wh, exported_wh, (period + 1) * 900).sign(key)


def intake_of(*readings):
    intake = Intake([POINT])
    for reading in readings:
        intake.accept(reading.to_bytes())
    return intake


def faults(findings):
    return [finding.fault for finding in findings]


@st.composite
def valid_streams(draw):
    """Energies of up to 12 periods, and the readings of a sound meter that lets them through."""
    flows = st.tuples(st.integers(0, 1_000), st.integers(0, 1_000))
    energies = [MeteredEnergy(*flow) for flow in draw(st.lists(flows, min_size=1, max_size=12))]
    registers = [draw(flows)]
    for energy in energies:
        imported_wh, exported_wh = registers[-1]
        registers.append((imported_wh + energy.imported_wh, exported_wh + energy.exported_wh))
    return energies, [signed(sequence, *shown) for sequence, shown in enumerate(registers)]


@given(stream=valid_streams(), data=st.data())
def test_the_same_energy_is_accepted_in_whatever_order_and_however_often_readings_come(stream, data):
    energies, readings = stream
    repeated = readings + data.draw(st.lists(st.sampled_from(readings), max_size=12))
    intake = intake_of(*data.draw(st.permutations(repeated)))
    assert [intake.energy(METER, START + 1 + number) for number in range(len(energies))] == energies
    assert intake.findings(METER) == ()
    assert intake.missing(METER) == []


@given(stream=valid_streams(), data=st.data())
def test_what_is_missing_is_named_and_no_other_energy_is_in_doubt(stream, data):
    energies, readings = stream
    kept = data.draw(st.lists(st.sampled_from(range(len(readings))), min_size=1, unique=True))
    intake = intake_of(*(readings[number] for number in kept))
    for number, energy in enumerate(energies, start=1):
        known = energy if {number - 1, number} <= set(kept) else None
        assert intake.energy(METER, START + number) == known
    missing = {number for gap in intake.missing(METER) for number in gap}
    assert missing == set(range(max(kept))) - set(kept)
    assert (Anomaly.MISSING in faults(intake.findings(METER))) == bool(missing)


# Readings of a meter that lies: any register, any period. It signs one reading per number.
LIES = st.dictionaries(
    st.integers(0, 7),
    st.tuples(st.integers(0, 5), st.integers(0, 2_500), st.integers(0, 2_500)),
    min_size=1,
)


@given(lies=LIES, data=st.data())
def test_even_of_a_lying_meter_the_order_of_arrival_leaves_no_trace(lies, data):
    readings = [signed(n, i, e, period=START + period) for n, (period, i, e) in lies.items()]
    there, back = intake_of(*readings), intake_of(*data.draw(st.permutations(readings)))
    assert there.surpluses_wh(METER, START, START + 6) == back.surpluses_wh(METER, START, START + 6)
    assert there.findings(METER) == back.findings(METER)
    assert there.missing(METER) == back.missing(METER)


@given(lies=LIES)
def test_no_more_energy_is_metered_than_the_connection_carries(lies):
    intake = intake_of(*(signed(n, i, e, period=START + period) for n, (period, i, e) in lies.items()))
    for period in range(START, START + 6):
        energy = intake.energy(METER, period)
        assert energy is None or min(energy.imported_wh, energy.exported_wh) >= 0
        assert energy is None or max(energy.imported_wh, energy.exported_wh) <= 1_001


@given(data=st.binary(max_size=200))
def test_bytes_that_are_no_reading_are_refused(data):
    arrival = Intake([POINT]).accept(data)
    assert arrival.accepted is None
    assert arrival.finding.fault in {Anomaly.UNREADABLE, Anomaly.UNKNOWN_METER}


def test_a_sound_reading_is_accepted_without_a_finding():
    assert Intake([POINT]).accept(signed(0, 10).to_bytes()) == (signed(0, 10), None)


def test_a_reading_of_an_unknown_meter_is_refused():
    stranger = signed(0, 10, key=OTHER_KEY, meter=OTHER_KEY.address)
    accepted, finding = Intake([POINT]).accept(stranger.to_bytes())
    assert accepted is None
    assert (finding.fault, finding.evidence) == (Anomaly.UNKNOWN_METER, (stranger,))


def test_a_reading_that_another_key_signed_is_refused():
    forged = signed(0, 10, key=OTHER_KEY)
    accepted, finding = Intake([POINT]).accept(forged.to_bytes())
    assert accepted is None
    assert (finding.fault, finding.evidence) == (Anomaly.WRONGLY_SIGNED, (forged,))


def test_a_signature_of_no_key_is_refused():
    broken = SignedReading(signed(0, 10).reading, bytes(65))
    assert Intake([POINT]).accept(broken.to_bytes()).finding.fault is Anomaly.WRONGLY_SIGNED


def test_a_repeated_reading_is_reported_and_changes_nothing():
    intake = intake_of(signed(0, 10), signed(1, 30))
    accepted, finding = intake.accept(signed(1, 30).to_bytes())
    assert accepted is None
    assert finding.fault is Anomaly.REPEATED
    assert intake.energy(METER, START + 1) == MeteredEnergy(20, 0)


def test_a_reading_signed_a_second_time_is_the_same_reading():
    reading = signed(1, 30)
    other_s = CURVE_ORDER - int.from_bytes(reading.signature[32:64])
    twin_signature = reading.signature[:32] + other_s.to_bytes(32) + bytes([reading.signature[64] ^ 1])
    twin = replace(reading, signature=twin_signature)
    assert intake_of(reading).accept(twin.to_bytes()).finding.fault is Anomaly.REPEATED


def test_of_two_readings_under_one_number_the_first_stands_and_both_are_evidence():
    intake = intake_of(signed(0, 10), signed(1, 30))
    accepted, finding = intake.accept(signed(1, 31).to_bytes())
    assert accepted is None
    assert (finding.fault, finding.evidence) == (Anomaly.CONFLICTING, (signed(1, 30), signed(1, 31)))
    assert intake.energy(METER, START + 1) == MeteredEnergy(20, 0)


def test_a_late_reading_is_accepted_and_reported():
    intake = intake_of(signed(0, 10), signed(2, 60))
    accepted, finding = intake.accept(signed(1, 30).to_bytes())
    assert accepted == signed(1, 30)
    assert finding.fault is Anomaly.OUT_OF_ORDER
    assert intake.surpluses_wh(METER, START + 1, START + 2) == [-20, -30]


def test_a_missing_reading_leaves_its_two_periods_unknown():
    intake = intake_of(signed(0, 10), signed(2, 60), signed(3, 65))
    assert intake.surpluses_wh(METER, START + 1, START + 3) == [None, None, -5]
    assert faults(intake.findings(METER)) == [Anomaly.MISSING]
    assert intake.missing(METER) == [range(1, 2)]


def test_the_first_readings_may_be_missing_too():
    intake = intake_of(signed(3, 60), signed(4, 65))
    assert faults(intake.findings(METER)) == [Anomaly.MISSING]
    assert intake.missing(METER) == [range(3)]


def test_a_meter_without_power_for_some_periods_has_missing_periods_but_no_missing_reading():
    intake = intake_of(signed(0, 10), signed(1, 60, period=START + 5))
    assert faults(intake.findings(METER)) == [Anomaly.MISSING]
    assert intake.missing(METER) == []
    assert intake.surpluses_wh(METER, START + 1, START + 5) == [None] * 5


@pytest.mark.parametrize(
    "later",
    [signed(1, 99, 100), signed(1, 100, 99), signed(1, 100, 100, period=START), signed(1, 101, 101, period=START - 1)],
    ids=["import", "export", "period stands still", "period"],
)
def test_registers_that_run_backwards_give_no_energy(later):
    intake = intake_of(signed(0, 100, 100), later)
    assert faults(intake.findings(METER)) == [Anomaly.BACKWARDS]
    assert intake.energy(METER, later.reading.period) is None


def test_a_meter_that_runs_backwards_once_counts_on_from_there():
    intake = intake_of(signed(0, 100), signed(1, 40), signed(2, 45))
    assert intake.surpluses_wh(METER, START + 1, START + 2) == [None, -5]


def test_of_a_period_that_a_meter_reads_twice_the_first_reading_counts():
    readings = [signed(0, 0), signed(1, 10), signed(2, 20, period=START), signed(3, 50, period=START + 1)]
    for order in (readings, readings[::-1]):
        intake = intake_of(*order)
        assert intake.energy(METER, START + 1) == MeteredEnergy(10, 0)
        assert faults(intake.findings(METER)) == [Anomaly.BACKWARDS]


def test_a_connection_may_carry_its_limit_and_the_rounding_of_a_register():
    intake = intake_of(signed(0, 0), signed(1, 1_001), signed(2, 1_001, 1_001))
    assert intake.findings(METER) == ()


@pytest.mark.parametrize("later", [signed(1, 1_002), signed(1, 0, 1_002)], ids=["import", "export"])
def test_more_than_the_connection_carries_is_absurd_and_gives_no_energy(later):
    intake = intake_of(signed(0, 0), later)
    assert faults(intake.findings(METER)) == [Anomaly.ABSURD]
    assert intake.findings(METER)[0].evidence == (signed(0, 0), later)
    assert intake.energy(METER, START + 1) is None


def test_over_a_gap_the_connection_may_carry_its_limit_in_every_period():
    assert faults(intake_of(signed(0, 0), signed(3, 3_001)).findings(METER)) == [Anomaly.MISSING]
    assert faults(intake_of(signed(0, 0), signed(3, 3_002)).findings(METER)) == [Anomaly.ABSURD]


def test_the_accepted_readings_are_all_that_is_needed_to_start_again():
    readings = [signed(0, 0), signed(1, 5_000), signed(3, 5_100), signed(2, 5_050)]
    intake = intake_of(*readings, replace(signed(2, 1), signature=bytes(65)), signed(2, 5_051))
    again = intake_of(*intake.readings(METER))
    assert again.readings(METER) == intake.readings(METER)
    assert again.findings(METER) == intake.findings(METER)
    assert again.surpluses_wh(METER, START, START + 3) == intake.surpluses_wh(METER, START, START + 3)


def test_the_latest_reading_is_the_one_with_the_highest_number():
    assert Intake([POINT]).latest(METER) is None
    assert intake_of(signed(2, 60), signed(0, 10)).latest(METER) == signed(2, 60).reading


def test_asking_about_an_unknown_meter_is_an_error():
    with pytest.raises(InvalidValue, match="meter"):
        Intake([POINT]).energy(OTHER_KEY.address, START)


def test_a_reading_from_the_future_is_refused_and_may_come_again_when_its_time_is_there():
    intake, reading = Intake([POINT]), signed(0, 0)
    refused = intake.accept(reading.to_bytes(), until=reading.reading.taken_at - 1)
    assert (refused.accepted, refused.finding.fault) == (None, Anomaly.PREMATURE)
    assert intake.accept(reading.to_bytes(), until=reading.reading.taken_at).accepted == reading


def test_a_connection_that_carries_more_makes_readings_plausible_that_were_not():
    intake = intake_of(signed(0, 0), signed(1, 1_500))
    assert intake.energy(METER, START + 1) is None
    intake.enter(MeteringPoint(METER, limit_w=8_000))
    assert intake.energy(METER, START + 1) == MeteredEnergy(1_500, 0)
    assert intake.findings(METER) == ()


def test_a_meter_that_was_unknown_is_heard_once_it_is_entered():
    intake, other = Intake([POINT]), OTHER_KEY.address
    reading = signed(0, 0, key=OTHER_KEY, meter=other).to_bytes()
    assert intake.accept(reading).finding.fault is Anomaly.UNKNOWN_METER
    intake.enter(MeteringPoint(other, limit_w=4_000))
    assert intake.accept(reading).accepted is not None


def test_no_more_is_missing_than_a_meter_remembers():
    intake = intake_of(signed(MAX_SEQUENCE, 0, period=1_000_000))
    (gap,) = intake.missing(METER)
    assert (len(gap), gap.stop) == (MEMORY_READINGS - 1, MAX_SEQUENCE)
