import pytest

from learnrate.schedules import FromFunction, schedule
from learnrate.schedules._registry import SHAPES
from learnrate.testing import ScheduleContract

TEXTS = """
constant()
constant(40)
linear(100, floor=0.1)
cosine(97, floor=0.03)
polynomial(64, power=1.7, floor=0.2)
polynomial(64, power=2)
exponential(100, factor=0.93, every=7)
exponential(100, factor=0.9, every=7.5, staircase=true, floor=0.3)
step(90, factor=0.1, every=30)
multi_step(90, factor=0.3, boundaries=[10, 10, 50])
inverse_time(80, rate=0.5, every=9)
inverse_time(every=9, staircase=true)
inverse_sqrt(120, every=40)
power_decay(120, exponent=0.7, every=12.5)
power_decay(every=9, exponent=1)
one_minus_sqrt(33, floor=0.1)
one_minus_square(33, floor=0.1)
rex(77)
saturating(50, every=12.5)
warmup(30)
warmup(30, start=0, curve=cosine)
warmup(30, curve=exponential)
warmup(30, start=0, curve=one_minus_sqrt)
cosine(70, floor=0.1, power=1.7)
cosine_restarts(100, every=10, growth=1.5, decay=0.7, floor=0.01)
cosine_restarts(100, every=25)
triangular(100, every=30, rise=0.3)
triangular2(100, every=20)
exp_range(100, every=20, factor=0.4, rise=1)
piecewise(90, boundaries=[10, 20], values=[1, 0.5, 0.2], inclusive=true)
interpolated(90, boundaries=[10, 10, 40], values=[0, 1, 0.5, 0], curve=cosine)
table([0.1, 0.7, 0.3, 0.2])
clamp(3e-4 * cosine(50), low=1e-5, high=2e-4)
noise(warmup(10) >> cosine(80), scale=0.3, seed=7)
cut(cosine(100), steps=40)
skip(warmup(20) >> cosine(100), steps=10)
shortened(3e-4 * warmup(20) >> cosine(100), steps=40, warmup=12)
shortened(warmup(20) >> step(100, every=30), steps=60, warmup=20)
delay(cosine(60), steps=12)
repeat(warmup(3) >> cosine(9), times=4)
shift(0.8 * cosine(50), by=0.2)
shift(0.5 * linear(50), by=-0.3, ascend=true)
staircase(warmup(3) >> cosine(9), every=10)
staircase(cosine(9), every=7.5, steps=65)
tanh(60, low=-6, high=2, floor=0.1)
cosine(60, k_decay=1.7)
polynomial(60, power=2, k_decay=0.7)
warmup(60, start=0.1, curve=polynomial, power=2.5)
exponential(60, factor=1.1, every=7)
step(60, factor=1.5, every=20)
3e-4 * warmup(50) >> cosine(200, floor=0.1)
3e-4 * warmup(50) >> constant()
ascend(3e-4 * warmup(50) >> linear(100))
2 * warmup(5) >> constant(95) * step(100, every=30) * rex(100)
linear(50, floor=0.1) >> (0.1 * constant(5)) >> ascend(0.5 * constant(5))
warmup(5) >> (cosine(20) * rex(20)) >> delay(2 * linear(4), steps=4)
""".strip().splitlines()


@pytest.mark.parametrize("text", TEXTS)
class TestEveryShape(ScheduleContract):
    @pytest.fixture(autouse=True)
    def _make(self, text):
        self.make = lambda: schedule(text)


def halved(step):
    return 0.5**step


class TestFromFunction(ScheduleContract):
    has_text = False

    def make(self):
        return FromFunction(halved, 30)


def test_every_registered_class_is_under_the_contract():
    covered = set()

    def collect(part):
        covered.add(part.name)
        for child in (getattr(part, "inner", None), *getattr(part, "parts", ())):
            if child is not None:
                collect(child)

    for text in TEXTS:
        collect(schedule(text))
    names = {name for name, cls in SHAPES.items() if cls.__module__.startswith("learnrate.")}
    assert names - {"from_function"} == covered
