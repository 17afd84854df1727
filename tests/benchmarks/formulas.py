"""Published test problems with several objectives, written out; all are minimised.

Every function takes designs, shape (designs, variables), and returns their objectives, shape (designs, objectives), or
how far each constraint is from being met, shape (designs, constraints): at most 0 where it is.

ZDT: Zitzler, Deb and Thiele, Evol. Comput. 8, 2000. DTLZ: Deb, Thiele, Laumanns and Zitzler, CEC 2002. WFG: Huband,
Hingston, Barone and While, IEEE Trans. Evol. Comput. 10, 2006. Fonseca and Fleming, Evol. Comput. 3, 1995. Kursawe,
PPSN 1990. Schaffer, ICGA 1985. Poloni, GAs in Engineering, 1995. Viennet, Fonteix and Marc, Int. J. Syst. Sci. 27,
1996. BNH: Binh and Korn, 1997. SRN: Srinivas and Deb, Evol. Comput. 2, 1994. TNK: Tanaka and others, 1995. C2-DTLZ2:
Jain and Deb, IEEE Trans. Evol. Comput. 18, 2014. Truss, brake, beam and crash: problems RE21, CRE23, CRE22 and RE34 of
Tanabe and Ishibuchi, Appl. Soft Comput. 89, 2020, as there or in Deb's book (welded beam, 2001).

All but Fonseca, Schaffer, Poloni, Viennet, truss, brake and crash were compared with pymoo 0.6.2 (2026-11-30): equal to
1e-15, constraints in whom they let through.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def zdt1(x: Floats) -> Floats:
    """ZDT1: a convex front."""
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))], axis=1)


def zdt2(x: Floats) -> Floats:
    """ZDT2: a concave front."""
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    return np.stack([x[:, 0], g * (1.0 - (x[:, 0] / g) ** 2)], axis=1)


def zdt3(x: Floats) -> Floats:
    """ZDT3: a front of five pieces."""
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1)
    ratio = x[:, 0] / g
    return np.stack([x[:, 0], g * (1.0 - np.sqrt(ratio) - ratio * np.sin(10.0 * np.pi * x[:, 0]))], axis=1)


def zdt4(x: Floats) -> Floats:
    """ZDT4: many local fronts."""
    rest = x[:, 1:]
    g = 1.0 + 10.0 * rest.shape[1] + (rest**2 - 10.0 * np.cos(4.0 * np.pi * rest)).sum(axis=1)
    return np.stack([x[:, 0], g * (1.0 - np.sqrt(x[:, 0] / g))], axis=1)


def zdt6(x: Floats) -> Floats:
    """ZDT6: designs that crowd at one end of the front, and far from it."""
    f = 1.0 - np.exp(-4.0 * x[:, 0]) * np.sin(6.0 * np.pi * x[:, 0]) ** 6
    g = 1.0 + 9.0 * x[:, 1:].mean(axis=1) ** 0.25
    return np.stack([f, g * (1.0 - (f / g) ** 2)], axis=1)


def _rugged(rest: Floats) -> Floats:
    """Return the distance of DTLZ1 and DTLZ3, with many local optima."""
    away = rest - 0.5
    return 100.0 * (rest.shape[1] + (away**2 - np.cos(20.0 * np.pi * away)).sum(axis=1))


def _bowl(rest: Floats) -> Floats:
    return ((rest - 0.5) ** 2).sum(axis=1)


def _plane(places: Floats) -> Floats:
    """Return points of a plane, shape (points, places + 1)."""
    ones = np.ones((len(places), 1))
    ups = np.cumprod(np.hstack([ones, places]), axis=1)
    return ups[:, ::-1] * np.hstack([ones, 1.0 - places[:, ::-1]])


def _sphere(angles: Floats) -> Floats:
    """Return points of a sphere, for angles as shares of a right one."""
    ones, angles = np.ones((len(angles), 1)), 0.5 * np.pi * angles
    cosines = np.cumprod(np.hstack([ones, np.cos(angles)]), axis=1)
    return cosines[:, ::-1] * np.hstack([ones, np.sin(angles[:, ::-1])])


def dtlz1(x: Floats, objectives: int) -> Floats:
    """DTLZ1: a plane behind many local fronts."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return 0.5 * (1.0 + _rugged(rest))[:, None] * _plane(places)


def dtlz2(x: Floats, objectives: int) -> Floats:
    """DTLZ2: a part of a sphere."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return (1.0 + _bowl(rest))[:, None] * _sphere(places)


def dtlz3(x: Floats, objectives: int) -> Floats:
    """DTLZ3: a part of a sphere behind many local fronts."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return (1.0 + _rugged(rest))[:, None] * _sphere(places)


def dtlz4(x: Floats, objectives: int) -> Floats:
    """DTLZ4: a part of a sphere, on which designs crowd at edges."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return (1.0 + _bowl(rest))[:, None] * _sphere(places**100)


def _curve(places: Floats, g: Floats) -> Floats:
    bent = (1.0 + 2.0 * g[:, None] * places[:, 1:]) / (2.0 * (1.0 + g[:, None]))
    return (1.0 + g)[:, None] * _sphere(np.hstack([places[:, :1], bent]))


def dtlz5(x: Floats, objectives: int) -> Floats:
    """DTLZ5: the front is a curve."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return _curve(places, _bowl(rest))


def dtlz6(x: Floats, objectives: int) -> Floats:
    """DTLZ6: the front is a curve, and few designs are near it."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    return _curve(places, (rest**0.1).sum(axis=1))


def dtlz7(x: Floats, objectives: int) -> Floats:
    """DTLZ7: a front of 2^(objectives - 1) pieces."""
    places, rest = x[:, : objectives - 1], x[:, objectives - 1 :]
    g = 1.0 + 9.0 * rest.mean(axis=1)
    h = objectives - (places / (1.0 + g)[:, None] * (1.0 + np.sin(3.0 * np.pi * places))).sum(axis=1)
    return np.hstack([places, ((1.0 + g) * h)[:, None]])


def c2_dtlz2(f: Floats) -> Floats:
    """Return the constraint of C2-DTLZ2 from its objectives: near a corner of the sphere, or near its middle."""
    radius = {2: 0.2, 3: 0.4}.get(f.shape[1], 0.5)
    squares = (f**2).sum(axis=1)[:, None] - f**2 + (f - 1.0) ** 2 - radius**2
    middle = ((f - 1.0 / np.sqrt(f.shape[1])) ** 2).sum(axis=1) - radius**2
    return np.minimum(squares.min(axis=1), middle)[:, None]


def wfg4(z: Floats, objectives: int) -> Floats:
    """WFG4 with two variables a position: many local optima."""
    y = z / (2.0 * np.arange(1, z.shape[1] + 1))
    share = np.abs(y - 0.35) / (2.0 * (np.floor(0.35 - y) + 0.35))
    t = (1.0 + np.cos(122.0 * np.pi * (0.5 - share)) + 40.0 * share**2) / 12.0
    return _wfg_concave(t, objectives)


def wfg5(z: Floats, objectives: int) -> Floats:
    """WFG5 with two variables a position: the way to the front is deceptive."""
    y, a, b, c = z / (2.0 * np.arange(1, z.shape[1] + 1)), 0.35, 0.001, 0.05
    left = np.floor(y - a + b) * (1.0 - c + (a - b) / b) / (a - b)
    right = np.floor(a + b - y) * (1.0 - c + (1.0 - a - b) / b) / (1.0 - a - b)
    return _wfg_concave(1.0 + (np.abs(y - a) - b) * (left + right + 1.0 / b), objectives)


def _wfg_concave(t: Floats, objectives: int) -> Floats:
    """Return concave objectives of weight 2, 4, ..., after means of two variables a position."""
    count = 2 * (objectives - 1)
    places = t[:, :count].reshape(len(t), objectives - 1, 2).mean(axis=2)
    # sine and cosine are the other way round than in DTLZ
    return t[:, count:].mean(axis=1)[:, None] + 2.0 * np.arange(1, objectives + 1) * _sphere(1.0 - places)


def fonseca(x: Floats) -> Floats:
    """Fonseca and Fleming's second problem."""
    at = 1.0 / np.sqrt(x.shape[1])
    return 1.0 - np.exp(-np.stack([((x - at) ** 2).sum(axis=1), ((x + at) ** 2).sum(axis=1)], axis=1))


def kursawe(x: Floats) -> Floats:
    """Kursawe's problem."""
    first = (-10.0 * np.exp(-0.2 * np.sqrt(x[:, :-1] ** 2 + x[:, 1:] ** 2))).sum(axis=1)
    return np.stack([first, (np.abs(x) ** 0.8 + 5.0 * np.sin(x**3)).sum(axis=1)], axis=1)


def schaffer(x: Floats) -> Floats:
    """Schaffer's first problem."""
    return np.stack([x[:, 0] ** 2, (x[:, 0] - 2.0) ** 2], axis=1)


def poloni(x: Floats) -> Floats:
    """Poloni's problem."""

    def parts(a: Floats | float, b: Floats | float) -> tuple[Floats, Floats]:
        first = 0.5 * np.sin(a) - 2.0 * np.cos(a) + np.sin(b) - 1.5 * np.cos(b)
        return first, 1.5 * np.sin(a) - np.cos(a) + 2.0 * np.sin(b) - 0.5 * np.cos(b)

    (a1, a2), (b1, b2) = parts(1.0, 2.0), parts(x[:, 0], x[:, 1])
    first = 1.0 + (a1 - b1) ** 2 + (a2 - b2) ** 2
    return np.stack([first, (x[:, 0] + 3.0) ** 2 + (x[:, 1] + 1.0) ** 2], axis=1)


def viennet(x: Floats) -> Floats:
    """Viennet's third problem, of three objectives."""
    a, b = x.T
    r = a**2 + b**2
    second = (3.0 * a - 2.0 * b + 4.0) ** 2 / 8.0 + (a - b + 1.0) ** 2 / 27.0 + 15.0
    return np.stack([0.5 * r + np.sin(r), second, 1.0 / (r + 1.0) - 1.1 * np.exp(-r)], axis=1)


def bnh(x: Floats) -> Floats:
    """Objectives of BNH."""
    a, b = x.T
    return np.stack([4.0 * a**2 + 4.0 * b**2, (a - 5.0) ** 2 + (b - 5.0) ** 2], axis=1)


def bnh_limits(x: Floats) -> Floats:
    """Constraints of BNH."""
    a, b = x.T
    return np.stack([(a - 5.0) ** 2 + b**2 - 25.0, 7.7 - (a - 8.0) ** 2 - (b + 3.0) ** 2], axis=1)


def srn(x: Floats) -> Floats:
    """Objectives of SRN."""
    a, b = x.T
    return np.stack([2.0 + (a - 2.0) ** 2 + (b - 1.0) ** 2, 9.0 * a - (b - 1.0) ** 2], axis=1)


def srn_limits(x: Floats) -> Floats:
    """Constraints of SRN."""
    a, b = x.T
    return np.stack([(a**2 + b**2) / 225.0 - 1.0, (a - 3.0 * b + 10.0) / 10.0], axis=1)


def tnk(x: Floats) -> Floats:
    """Objectives of TNK: its variables."""
    return x.copy()


def tnk_limits(x: Floats) -> Floats:
    """Constraints of TNK."""
    a, b = x.T
    wave = 0.1 * np.cos(16.0 * np.arctan2(a, b))
    return np.stack([1.0 + wave - a**2 - b**2, (a - 0.5) ** 2 + (b - 0.5) ** 2 - 0.5], axis=1)


def truss(x: Floats) -> Floats:
    """Volume and displacement of a truss of four bars (RE21; Cheng and Li, 1999)."""
    force, modulus, length = 10.0, 2e5, 200.0
    a, b, c, d = x.T
    volume = length * (2.0 * a + np.sqrt(2.0) * b + np.sqrt(c) + d)
    root = 2.0 * np.sqrt(2.0)
    return np.stack([volume, force * length / modulus * (2.0 / a + root / b - root / c + 2.0 / d)], axis=1)


def brake(x: Floats) -> Floats:
    """Mass and stopping time of a disk brake (CRE23; Ray and Liew, 2002)."""
    a, b, force, discs = x.T
    mass = 4.9e-5 * (b**2 - a**2) * (discs - 1.0)
    return np.stack([mass, 9.82e6 * (b**2 - a**2) / (force * discs * (b**3 - a**3))], axis=1)


def brake_limits(x: Floats) -> Floats:
    """Constraints of the disk brake: length, pressure, temperature, torque; shares of their bounds."""
    a, b, force, discs = x.T
    area, cube = b**2 - a**2, b**3 - a**3
    return np.stack(
        [
            1.0 - (b - a) / 20.0,
            force / (3.14 * area) / 0.4 - 1.0,
            2.22e-3 * force * cube / area**2 - 1.0,
            1.0 - 2.66e-2 * force * discs * cube / area / 900.0,
        ],
        axis=1,
    )


def beam(x: Floats) -> Floats:
    """Cost and deflection of a welded beam (CRE22; Deb, 2001); variables h, l, t, b."""
    h, length, t, b = x.T
    cost = 1.10471 * h**2 * length + 0.04811 * t * b * (14.0 + length)
    return np.stack([cost, 2.1952 / (t**3 * b)], axis=1)


def beam_limits(x: Floats) -> Floats:
    """Constraints of the welded beam: shear and normal stress, width of the weld, buckling; shares of their bounds."""
    h, length, t, b = x.T
    arm = np.sqrt(0.25 * (length**2 + (h + t) ** 2))
    plain = 6000.0 / (np.sqrt(2.0) * h * length)
    bent = 6000.0 * (14.0 + 0.5 * length) * arm / (2.0 * 0.707 * h * length * (length**2 / 12.0 + 0.25 * (h + t) ** 2))
    shear = np.sqrt(plain**2 + bent**2 + length * plain * bent / arm)
    buckling = 64746.022 * (1.0 - 0.0282346 * t) * t * b**3
    return np.stack(
        [shear / 13600.0 - 1.0, 504000.0 / (t**2 * b) / 30000.0 - 1.0, (h - b) / 5.0, 1.0 - buckling / 6000.0], axis=1
    )


def crash(x: Floats) -> Floats:
    """Mass, acceleration and intrusion of a car (RE34; Liao and others, 2008)."""
    a, b, c, d, e = x.T
    mass = 1640.2823 + 2.3573285 * a + 2.3220035 * b + 4.5688768 * c + 7.7213633 * d + 4.4559504 * e
    shock = 6.5856 + 1.15 * a - 1.0427 * b + 0.9738 * c + 0.8364 * d - 0.3695 * a * d + 0.0861 * a * e
    shock += 0.3628 * b * d - 0.1106 * a**2 - 0.3437 * c**2 + 0.1764 * d**2
    intrusion = -0.0551 + 0.0181 * a + 0.1024 * b + 0.0421 * c - 0.0073 * a * b + 0.024 * b * c - 0.0118 * b * d
    intrusion += -0.0204 * c * d - 0.008 * c * e - 0.0241 * b**2 + 0.0109 * d**2
    return np.stack([mass, shock, intrusion], axis=1)
