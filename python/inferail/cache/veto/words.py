"""English word lists for the vetoes, written for this package. One place, so that a wrong word is easy to find.

A list is a text of words; `|` stands between the two sides of a pair, a line is one pair or one kind. Words are given in
their plain form and stemmed when they are read (`stems.py`). Lists that do not know a word stay silent: a veto needs
evidence.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "ANTONYMS",
    "DIRECTED",
    "IGNORED",
    "KINDS",
    "NEGATORS",
    "NUMBER_WORDS",
    "ORDINALS",
    "PARTICLES",
    "RESTRICTORS",
    "ROLES",
    "SAME",
    "SCALES",
    "UNITS",
]

# Say nothing about what is asked: articles, auxiliaries, politeness, filler, and the persons that a general question uses
# for each other ("how do I", "how can you", "how does one").
IGNORED: Final = frozenset(
    """
    a an the this that these those some any
    is are am was were be been being do does did done have has had having can could will would shall should may might must
    i me my mine you your yours we us our ours one ones it its they them their there here
    please kindly hi hello hey thanks thank dear sir ok okay so well just really actually basically simply exactly
    tell explain show give know want wanted need needed wonder wondering help let like would'd get
    possible way ways able
    also too very quite much many
    as if else then
    what which whats how who when where why whose whom
    what's that's s t re ve ll d m
    about regarding concerning
    """.split()  # noqa: SIM905 - a list of quoted words cannot be read
)

NEGATORS: Final = frozenset(
    """
    not no never cannot without neither none nobody nothing nowhere unable hardly barely
    dont doesnt didnt isnt arent wasnt werent wont wouldnt cant couldnt shouldnt hasnt havent hadnt mustnt neednt aint
    """.split()  # noqa: SIM905
)

# Words that bind what follows them to a part in the sentence.
ROLES: Final = frozenset(
    "from to into onto than by over under before after for against via per with at in on until till between of".split()  # noqa: SIM905
)

# Those whose two sides are different questions when they are exchanged. `for` and `with` are not: they move freely.
DIRECTED: Final = frozenset("from to into onto than over under before after against via in on at of between by".split())  # noqa: SIM905

# Particles that turn a verb into its opposite.
PARTICLES: Final = frozenset("up down on off in out back away forward".split())  # noqa: SIM905

# Narrow a question; what has one and what has none are different questions.
RESTRICTORS: Final = frozenset("only solely except excluding exclusively".split())  # noqa: SIM905

# Written differently, meant alike.
SAME: Final = """
    bigger larger greater | biggest largest greatest | usa us america american | uk britain british england | eu europe european | nyc | la
    tv television | phone smartphone cellphone mobile | laptop notebook | app application | photo picture image | pc computer
    car automobile | movie film | bike bicycle | fridge refrigerator | doctor physician | kid child children | buy purchase
    begin start commence | end finish | big large | small little | fast quick rapid | remove delete erase
    repair fix | cheap inexpensive affordable | cost price | select choose pick | salary pay wage | ill sick
    js javascript | ts typescript | db database | config configuration | dir directory folder | repo repository
    postgres postgresql | k8s kubernetes | ai | ml | vs versus | max maximum | min minimum | info information
    km kilometre kilometer | kg kilogram kilo | percent % | illegal unlawful | legal lawful
"""

ANTONYMS: Final = """
    accept | reject decline refuse
    active | inactive passive
    add | remove delete subtract
    admit | deny
    advance | retreat
    advantage pro benefit upside | disadvantage con drawback downside
    after | before
    agree | disagree
    allow permit enable | forbid prohibit ban block prevent disable deny
    alive | dead
    always | never
    ancient | modern
    appear | disappear vanish
    approve | reject disapprove
    arrive arrival | depart departure leave
    ascending ascend | descending descend
    asleep | awake
    assemble | disassemble
    asynchronous async | synchronous sync
    attach | detach
    attack | defend
    attract | repel
    begin start launch open | end stop finish close quit
    best good great better | worst bad poor worse
    big large | small little tiny
    birth born | death die died
    black | white
    bottom | top
    brave | cowardly
    bright light | dark dim
    build construct | demolish destroy
    bull bullish | bear bearish
    buy purchase | sell
    cheap affordable inexpensive cheapest | expensive costly
    clean | dirty
    difference | similarity
    clockwise | counterclockwise anticlockwise
    cold cool | hot warm
    collapse | expand
    combine merge join unite | split separate divide
    compress zip | decompress unzip extract
    connect | disconnect
    constructive | destructive
    convex | concave
    cooked | raw
    correct right true | wrong incorrect false
    create make | delete destroy remove
    credit | debit
    cry | laugh
    daily | weekly monthly yearly
    day | night
    deep | shallow
    deposit | withdraw withdrawal
    deploy | undeploy
    difficult hard | easy simple
    domestic | foreign international
    download | upload
    dry | wet
    early earlier earliest | late later latest
    earn | spend lose
    east | west
    employ hire | fire dismiss
    empty | full
    encode encrypt encoding encryption | decode decrypt decoding decryption
    enter | exit leave
    even | odd
    exclude excluding | include including
    expire | renew
    explicit | implicit
    export | import
    external outer outside exterior | internal inner inside interior
    fail failure | succeed success pass
    fake | real genuine
    fast quick quickly faster fastest rapid | slow slowly slower slowest
    fat | thin lean
    fewer fewest less least | more most
    first | last
    follow | unfollow
    forget | remember
    forward | backward back reverse
    freeze | melt thaw unfreeze
    frequent frequently often | rare rarely seldom
    front | back rear
    gain | lose loss
    give | take receive
    guilty | innocent
    happy | sad unhappy
    healthy | unhealthy sick ill
    heavy heavier heaviest | light lighter lightest
    height tall high higher highest taller | low lower lowest short
    hide | show unhide reveal
    horizontal | vertical
    hypertension | hypotension
    hyperthyroidism | hypothyroidism
    hyperglycemia | hypoglycemia
    inbound incoming inward | outbound outgoing outward
    income revenue | expense expenditure
    increase raise grow rise | decrease reduce lower shrink fall drop
    indoor indoors | outdoor outdoors
    inflate inflation | deflate deflation
    inhale | exhale
    input | output
    install | uninstall remove
    junior | senior
    landlord | tenant
    left | right
    lend | borrow
    lengthen | shorten
    like love | dislike hate
    link | unlink
    liquid | solid gas
    lock | unlock
    long longer longest | short shorter shortest
    loose | tight
    loud | quiet silent
    major majority | minor minority
    male man men boy | female woman women girl
    manual manually | automatic automatically
    maximum maximize max maximal | minimum minimize min minimal
    mount | unmount
    multiply | divide
    mutable | immutable
    narrow | wide broad
    near | far
    new newer newest | old older oldest
    north northern | south southern
    null | nonnull
    offline | online
    on | off
    optimistic | pessimistic
    optional | mandatory required compulsory
    over above | under below beneath
    parallel | serial sequential
    past | future
    pause | resume
    plaintiff | defendant
    plus | minus
    positive | negative
    postpone | advance
    powerful strong stronger strongest | weak weaker weakest
    pre | post
    private | public
    profit | loss
    promote | demote
    protect | endanger
    proximal | distal
    pull | push
    read | write
    refundable | nonrefundable
    regular | irregular
    rich wealthy | poor
    rough | smooth
    safe safely | dangerous unsafe harmful risky
    save | spend
    send | receive
    servant | master
    sharp | blunt dull
    single | married multiple double
    sober | drunk
    soft | hard
    sour bitter | sweet
    stable | unstable volatile
    static | dynamic
    subscribe | unsubscribe
    summer | winter
    sunrise | sunset
    superior | inferior
    supply | demand
    temporary temporarily | permanent permanently
    tighten | loosen
    together | apart
    transparent | opaque
    up upgrade | down downgrade
    upper | lower
    useful | useless
    vegetarian vegan | meat
    verbose | concise quiet
    victory win | defeat lose
    visible | invisible hidden
    voluntary | involuntary
    weight loss | weight gain
    wholesale | retail
    with | without
    young younger youngest | old older oldest
"""

# Words of one kind: where each text has one that the other has not, they speak of different things.
KINDS: Final = """
    weekday: monday tuesday wednesday thursday friday saturday sunday
    month: january february march april june july august september october november december
    season: spring summer autumn winter
    day: today tomorrow yesterday tonight
    meal: breakfast lunch dinner supper brunch
    colour: red blue green yellow orange purple black white pink brown grey gray silver gold
    direction: north south east west northern southern eastern western
    planet: mercury venus earth mars jupiter saturn uranus neptune pluto moon sun
    continent: africa asia europe antarctica oceania
    country: usa uk canada mexico brazil argentina chile peru colombia france germany italy spain portugal netherlands belgium
      switzerland austria poland greece turkey russia ukraine sweden norway denmark finland ireland scotland iceland hungary
      romania china japan korea india pakistan bangladesh nepal thailand vietnam indonesia malaysia singapore philippines
      australia egypt morocco kenya nigeria ethiopia israel iran iraq qatar dubai
    city: london paris rome berlin madrid barcelona lisbon vienna prague budapest warsaw athens istanbul moscow amsterdam
      brussels zurich geneva milan venice florence munich hamburg frankfurt dublin edinburgh oslo stockholm copenhagen
      helsinki tokyo kyoto osaka seoul beijing shanghai delhi mumbai bangalore bangkok sydney melbourne toronto vancouver
      montreal chicago boston seattle denver miami houston dallas nyc atlanta cairo nairobi lagos
    language: english french german spanish italian portuguese dutch russian chinese japanese korean arabic hindi turkish latin
      greek polish swedish
    program: python java javascript typescript rust golang ruby php perl kotlin swift scala haskell lua fortran bash c++ c# sql
      matlab julia
    system: windows linux macos mac ubuntu debian android ios fedora
    browser: chrome firefox safari edge opera
    database: mysql postgresql sqlite mongodb oracle redis cassandra mariadb
    cloud: aws azure gcp
    company: google apple microsoft amazon facebook netflix tesla samsung sony intel nvidia ibm uber airbnb spotify twitter
      instagram whatsapp youtube linkedin snapchat tiktok paypal visa mastercard
    game: chess poker football soccer basketball baseball tennis golf cricket hockey rugby volleyball
    instrument: guitar piano violin drum flute cello trumpet
    animal: dog cat horse cow pig sheep goat chicken duck rabbit hamster bird fish snake lion tiger elephant mouse rat
    age: adult child infant baby toddler teenager senior
    relation: mother father brother sister son daughter husband wife uncle aunt grandmother grandfather
    gender: he she
    vehicle: car bus train plane bike motorcycle truck ship boat tram taxi
    drug: ibuprofen paracetamol aspirin acetaminophen naproxen amoxicillin metformin insulin codeine
    vitamin: vitamina vitaminb vitaminc vitamind vitamine vitamink
    drink: coffee tea beer wine milk juice water vodka whisky
    meat: beef pork lamb turkey bacon ham salmon tuna
    fruit: apple banana orange lemon lime grape strawberry mango pear peach cherry
    transport: flight train bus ferry taxi
    device: laptop desktop tablet phone printer monitor keyboard television router
    aspect: symptom cause treatment cure diagnosis
    account: revenue profit loss debt margin
    grain: rice wheat oats barley corn quinoa
    metal: gold silver copper iron aluminium steel bronze platinum lead zinc
    money: dollar euro pound yen rupee franc yuan bitcoin ethereum usd eur gbp jpy inr chf cny
    tax: income sales property inheritance corporate
    degree: bachelor master phd doctorate
    operation: add subtract multiply divide
    shape: circle square triangle rectangle cube sphere cylinder cone
    file: pdf csv json xml yaml docx xlsx png jpeg jpg gif svg mp3 mp4 zip
    structure: list dictionary tuple set array string integer float
    sense: hear see smell taste touch
    organ: heart liver kidney lung brain stomach skin
    limb: arm leg hand foot knee elbow shoulder ankle wrist finger toe
    side: left right
    frequency: hourly daily weekly monthly quarterly yearly annual
    length: inch foot yard mile metre meter kilometre kilometer centimetre centimeter
    mass: gram kilogram pound ounce ton
    temperature: celsius fahrenheit kelvin
    volume: litre liter gallon pint millilitre cup
    time: second minute hour week month year decade century
    extreme: cheapest fastest biggest smallest tallest oldest newest highest lowest longest shortest safest strongest
"""

NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
} | {word: 20 + 10 * step for step, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split())}  # noqa: SIM905

SCALES: Final = {"hundred": 100, "dozen": 12, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}

ORDINALS: Final = {
    word: number
    for number, word in enumerate("second third fourth fifth sixth seventh eighth ninth tenth".split(), start=2)  # noqa: SIM905
}

# What a number can be of; every spelling leads to one. The first word of a line is the one.
UNITS: Final = """
    km kilometre kilometres kilometer kilometers kms
    metre meter metres meters
    cm centimetre centimetres centimeter centimeters
    mm millimetre millimetres millimeter millimeters
    mile miles mi
    foot feet ft
    inch inches
    yard yards
    kg kilogram kilograms kilo kilos kgs
    gram grams g
    mg milligram milligrams
    mcg microgram micrograms
    pound pounds lb lbs
    ounce ounces oz
    ton tons tonne tonnes
    litre liter litres liters l
    ml millilitre millilitres milliliter milliliters
    gallon gallons
    cup cups
    tablespoon tablespoons tbsp
    teaspoon teaspoons tsp
    millisecond milliseconds ms
    second seconds sec secs s
    minute minutes min mins
    hour hours hr hrs h
    day days
    week weeks wk wks
    month months mo
    year years yr yrs
    decade decades
    am a.m
    pm p.m
    dollar dollars usd $
    euro euros eur €
    gbp £ quid
    yen jpy ¥
    rupee rupees inr ₹
    cent cents
    percent % pct
    celsius c °c
    fahrenheit f °f
    kb kilobyte kilobytes
    mb megabyte megabytes
    gb gigabyte gigabytes gigs
    tb terabyte terabytes
    mbps
    gbps
    watt watts w
    kw kilowatt kilowatts
    kwh
    volt volts v
    amp amps
    hz hertz
    mhz
    ghz
    mph
    kph kmh km/h
    calorie calories kcal cal
    person people persons
    degree degrees
    px pixel pixels
"""
