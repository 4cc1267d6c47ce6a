"""The class of each character as Unicode 15.1 has it, which is the version that llama.cpp knows.

Python's own table is of another version in each of its releases.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cache

_FIRST = 0x80
# Runs of characters of one class, from _FIRST on: how many, if more than one, and l letter, m mark, n number,
# p punctuation, s symbol, w white space, o other.
_RUNS = (
    "5ow26owp5sp2slpso4s2nsl2psnlp3np23ls31ls458l4s12l14s5l7slsl17s112m5ls2l2o4lpl4o2slp3lolo20lo83ls139ls7m166lo"
    "38l2ol6p41l2p2o3so45mpmp2mp2mpm8o27l4o4l2p17o3s2ps2p2s11mpo3p43l21m10n4p2lm99lpl7mos6m2l2ms4m2l10n3l2sl14p2olm"
    "30l27m2o89l11ml14o10n33l9m2ls3pl2om2s22l4ml9ml3ml5m2o15po25l3m2opo11l5o24ls6l9o8m42l24mo33m54l3ml18ml7m10l2m2p"
    "10np16l3mo8l2o2l2o22lo7lol3o4l2oml7m2o2m2o3ml8om4o2lo3l2m2o10n2l2s6n2slpm2o3mo6l4o2l2o22lo7lo2lo2lo2l2omo5m4o"
    "2m2o3m3om7o4lol7o10n2m3lmp10o3mo9lo3lo22lo7lo2lo5l2oml8mo3mo3m2ol15o2l2m2o10nps7ol6mo3mo8l2o2l2o22lo7lo2lo5l2o"
    "ml7m2o2m2o3m7o3m4o2lo3l2m2o10nsl6n10omlo6l3o3lo4l3o2lolo2l3o2l3o3l3o12l4o5m3o3mo4m2ol6om14o13n8s5o5m8lo3lo23lo"
    "16l2oml7mo3mo4m7o2mo3l2ol2o2l2m2o10n7op7nsl3mp8lo3lo23lo10lo5l2oml7mo3mo4m7o2m6o2lo2l2m2o10no2lm12o4m9lo3lo41l"
    "2ml7mo3mo4mls4o3lm7n3l2m2o19ns6lo3mo18l3o24lo9lol2o7l3om4o6momo8m6o10n2o2mp12o48lm2l7m4os7l8mp10n2p37o2lolo5lo"
    "24lolo10lm2l9ml2o5lolo7mo10n2o4l32ol3s15psp3s2m6s20nsmsmsm4p2m8lo36l4o20mp2m5l11mo36mo8sm6so2s5p4s2p37o43l20ml"
    "10n6p6l4m4l3ml3m2l7m3l4m13l12mlm10n4m2s38lol5ol2o43lp333lo4l2o7lolo4l2o41lo4l2o33lo4l2o7lolo4l2o15lo57lo4l2o"
    "67l2o3m9p20n3o16l10s6o86l2o6l2op620lsp17lw26l2p3o75l3p3n8l7o18l4m9o19l3m2p9o18l2m12o13lo3lo2m12o52l32m3pl3pslm"
    "2o10n6o10n6o11p3mom10n6o89l7o5l2m34lml5o70l10o31lo12m4o12m4os3o2p10n30l2o5l11o44l4o26l6o11n3o34s23l5m2o2p53l"
    "10mo29m2om10n6o10n6o7pl6p2o31m49o5m47l17m8l3o10n7p10s9m9s2po3m30l13m2l10n44l14m8o4p36l20m3o5p10n3o3l10n36l2p9l"
    "7o43l2o3l8p8o3mp21m4lm6lm2l3ml5o192l64m278l2o6l2o38l2o6l2o8lolololo31l2o53lo7lsl3s3lo7l3s4l2o6lo3s13l3s2o3lo7l"
    "2so11w5o24p2w5ow20ps13ps12pw16onl2o6n3s2pl10n3s2po13l3o33s15o33m15o2sl4sl2s10lsl3s5l6slslsls4ls11l2s4l5s5l4sls"
    "51n2l5n2s4o376s4p29s2p252s25o11s21o60n78s22n616s14p30n49s2p31s10p403s22p63s4p32s2p374s2o32so105s229l6s4l3m2l5o"
    "4pn2p38lol5ol2o56l7olp14om23l9o7lo7lo7lo7lo7lo7lo7lo7lo32m47pl32p2s12p34o26so89s12o214s26o16sw3ps2ln10p2s12ps"
    "9n6mp5l2s3n2lp2so86l2o2m2s3lp90lp4l5o43lo94lo2s4n10s32l36s11os16l31so10n30s8ns15n32s10n39s15n320s6592l64s"
    "22157l3o55s9o46l2p269l3p16l10n2l20o47l4mp10mp31l2m70l10n2m6p8o23s9l2s103l2s64l5o2lolo5l24o16lm3lm4lm23l5m4sm3o"
    "6n4s6o52l4p8o2m50l18m8o2p10n6o18m6l3plp2lm10n28l8m2p23l13m11op29l3o4m47l14m13pol10n4o2p5lm10l10n5lo41l14m9o3lm"
    "8l2m2o10n2o4p23l3sl3m50lml3m2l2m5l2mlml24o3l2p11l5m2p3l2m10o6l2o6l2o6l9o7lo7lo43ls14l2s4o115l8mp2m2o10n6o"
    "11172l12o23l4o49l8452o366l2o106l38o7l12o5l5olm10ls13lo5lolo2lo2lo108l17s16o363l2p16s64l2o54l7os32o12l4s16m10p"
    "6o16m35po14psp3sops2p4o5lo135l4o3ps6ps4p10n2p3s2p26l3psps26lpsps7p89l3o6l2o6l2o6l2o3l3o7so7s13o2s2o12lo26lo19l"
    "o2lo15l2o14l34o123l5o3p4o45n3o9s57n17s2n3so13s3os47o45sm130o29l3o49l15om27n4o32l4n9o20ln8ln5o38l5m5o30lop36l4o"
    "8lp5n42o158l2o10n6o36l4o36l4o40l8o52l11op11lo15lo7lo2lo11lo15lo7lo2l67o311l9o22l10o8l24o6lo42lo9l69o6l2olo44lo"
    "2l3ol2o23lop8n23l2s7n31l8o9n48o19lo2l5o5n22l6n3op26l5op64o56l4o2n2l16n2o46nl3mo2m5o4m4lo3lo29l2o3m4om9n7o9p7o"
    "29l2np29l3n32o8ls28l2m4o5n7p9o54l3o7p22l2o8n19l5o8n18l7o4p12o7n80o73l55o51l13o51l7o6n36l4m8o10n294o31no42lo2mp"
    "2o2l75o3m29l10nl8o22l11m4n5p22o18l4m4p38o21l7n20o23l9o3m53l15m7p4o30nm2l2ml9o4m45l11m2po4pm13o25l7o10n6o3m36l"
    "14mo10n4pl2ml8o35lm2pl9o3m48l14m4l4p4mp2m10nlpl3po20n11o18lo25l12m6pm2lm62o7lolo4lo15lo10lp6o47l12m5o10n6o4mo"
    "8l2o2l2o22lo7lo2lo5lo2ml7m2o2m2o3m2ol6om5o5l2m2o7m3o5m139o53l18m4l5p10n2popm3l30o48l20m2lpl8o10n166o47l7m2o9m"
    "23p4l2m34o48l17m3pl11o10n6o13p19o43l13mlp6o10n54o27l2o15m4o12n3ps7l185o44l15mp100o64l19n12o8l2ol2o8lo2lo24l6mo"
    "2m2o4mlml2m3p9o10n70o8l2o39l7m2o7mlplm27ol10m40l7ml4m8pm8ol11m46l16m3pl5p13o73l7o10p246o9lo37l8mo8ml5p10o29n3o"
    "2p30l2o22mo14m73o7lo2lo38l6m3omo2mo7mlm8o10n6o6lo2lo32l5mo2mo5ml7o10n310o19l4m2p7o2mlm13lo34l7m3o5m13p10n86ol"
    "15o21n29s13op922l102o111no5p11o196l2636o97l2p13o1072l16om6l15m4010o583l8633o569l7o31lo10n4o2p79lo10n6o30l2o5mp"
    "10o48l7m5p4s4lps10o10no7no21l5o19l688o64l23n4p101o75l4oml55m7o4m13l64o2lplm11o2m14o6136l8o1238l42o9l8935o4lo7l"
    "o2lo291l15ol29o3l2ol14o4l8o396l2308o107l5o13l3o9l7o10l2os2mp4704o46m2o23m9o116s60o246s10o39s2o60s5m3s6m8o8m2s"
    "7m30s4m61s21o66s3ms122o20n12o20n12o87s9o25n135o85lo71lo2l2ol2o2l2o4lo12lolo7lo65lo4l2o8lo7lo28lo4lo5lol3o7lo"
    "340l2o25ls25ls31ls25ls31ls25ls31ls25ls31ls25ls8l2o50n512s55m4s50m8sm14sm2s5p15o5mo15m1104o31l6o6l213o7mo17m2o"
    "7mo2mo5m5o62l33om112o45l3o7m7l2o10n4ols320o30lm17o44l4m10n5os464o28l4m10n742o7lo4lo2lo15lo197l2o9n7m41o68l7ml"
    "4o10n4o2p785o59ns3ns4n76o45ns15n194o4lo27lo2lol2olo10lo4lolol6ol4olololo3lo2lol2olololololo2lol2o4lo7lo4lo4lol"
    "o10lo17l5o3lo5lo17l52o2s270o44s4o100s12o15s2o15so15so37s10o13n161s56o29s13o44s4o9s7o2s14o6s154o984s4o17s3o13s"
    "3o119s4o95s6o12s4os15o12s4o56s8o10s6o40s8o30s2o2s78o340s12o14s2o13s3o9s7o46so7s8o14s4o9s7o9s7o147so55s37o10n"
    "1030o42720l32o4154l6o222l2o5762l14o7473l15o622l2466o542l1506o4939l5o4192l712016o240m196112o"
)


def class_of(character: str) -> str:
    """Return the class of a character beyond ASCII, as a letter of _RUNS."""
    starts, classes = _table()
    return classes[bisect_right(starts, ord(character)) - 1]


@cache
def _table() -> tuple[list[int], str]:
    starts, classes, start = [], [], _FIRST
    for count, name in re.findall(r"(\d*)(\D)", _RUNS):
        starts.append(start)
        classes.append(name)
        start += int(count or 1)
    return starts, "".join(classes)
