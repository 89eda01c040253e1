"""Demo data: menu, stores, staff and customers. All names are invented."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

# GST rates in basis points: restaurant service, packed goods.
RESTAURANT_TAX = 500
PACKED_TAX = 1200

CATEGORIES = {
    "shikanji": "Shikanji",
    "coolers": "Coolers & Lassi",
    "chaat": "Chaat",
    "meals": "Thali & Meals",
    "snacks": "Farsan & Snacks",
    "sweets": "Sweets",
}


@dataclass(frozen=True)
class Dish:
    """A product of the menu. Prices in rupees without GST; `stock` is the opening stock of each store."""

    slug: str
    name: str
    category: str
    price: str
    text: str
    ingredients: tuple[str, ...]
    tags: tuple[str, ...] = ()
    spice: str = "MILD"
    minutes: int = 10
    vegan: bool = False
    gluten_free: bool = False
    featured: bool = False
    stock: int = 120
    tax: int = RESTAURANT_TAX
    options: tuple[Json, ...] = field(default=())


def _make_customization(name: str, kind: str, *options: tuple[str, str], required: bool = False) -> Json:
    """A customization with options (name, extra rupees). If `required`, the first option is the default."""
    return {
        "name": name,
        "type": kind,
        "isRequired": required,
        "options": [
            {
                "name": option,
                "priceModifier": {"currencyCode": "INR", "minorUnits": str(100 * int(more))},
                "isDefault": required and number == 0,
            }
            for number, (option, more) in enumerate(options)
        ],
    }


_SIZE = _make_customization("Size", "RADIO", ("Regular 250 ml", "0"), ("Large 400 ml", "30"), required=True)
_SUGAR = _make_customization("Sugar", "SELECT", ("Regular", "0"), ("Less sugar", "0"), ("No sugar", "0"), required=True)
_EXTRAS = _make_customization("Extras", "CHECKBOX", ("Chia seeds", "15"), ("Fresh mint", "10"), ("Crushed ice", "0"))
_TOPPINGS = _make_customization("Toppings", "CHECKBOX", ("Sev", "10"), ("Curd", "15"), ("Pomegranate", "20"))
_BREAD = _make_customization(
    "Bread", "RADIO", ("4 phulka", "0"), ("2 butter roti", "20"), ("2 thepla", "25"), required=True
)

MENU = (
    Dish("classic-shikanji", "Classic Shikanji", "shikanji", "69", "Lemon, black salt and roasted cumin over ice.",
         ("lemon", "sugar", "black salt", "roasted cumin"), ("bestseller", "cold"), vegan=True, gluten_free=True,
         minutes=4, featured=True, stock=400, options=(_SIZE, _SUGAR, _EXTRAS)),
    Dish("masala-shikanji", "Masala Shikanji", "shikanji", "79", "The house mix of eleven spices in fresh lemon.",
         ("lemon", "sugar", "black salt", "cumin", "black pepper", "fennel"), ("cold",), "MEDIUM", 4, vegan=True,
         gluten_free=True, featured=True, stock=300, options=(_SIZE, _SUGAR, _EXTRAS)),
    Dish("mint-shikanji", "Pudina Shikanji", "shikanji", "79", "With a fistful of fresh mint.",
         ("lemon", "mint", "sugar", "black salt"), ("cold",), minutes=4, vegan=True, gluten_free=True, stock=300,
         options=(_SIZE, _SUGAR, _EXTRAS)),
    Dish("kokum-shikanji", "Kokum Shikanji", "shikanji", "89", "Konkan kokum, sour and dark red.",
         ("kokum", "sugar", "black salt", "cumin"), ("cold", "seasonal"), minutes=4, vegan=True, gluten_free=True,
         options=(_SIZE, _SUGAR)),
    Dish("soda-shikanji", "Fresh Lime Soda Shikanji", "shikanji", "85", "Sparkling, sweet and salt.",
         ("lemon", "soda water", "sugar", "black salt"), ("cold",), minutes=3, vegan=True, gluten_free=True,
         options=(_SIZE, _SUGAR)),
    Dish("sweet-lassi", "Sweet Lassi", "coolers", "99", "Thick curd, churned with sugar and cardamom.",
         ("curd", "sugar", "cardamom"), ("cold",), minutes=5, gluten_free=True, options=(_SIZE,)),
    Dish("mango-lassi", "Kesar Mango Lassi", "coolers", "129", "Gir Kesar mangoes and curd.",
         ("curd", "kesar mango", "sugar"), ("cold", "bestseller"), minutes=5, gluten_free=True, featured=True,
         options=(_SIZE,)),
    Dish("masala-chaas", "Masala Chaas", "coolers", "49", "Thin buttermilk with cumin and curry leaf.",
         ("buttermilk", "cumin", "curry leaf", "black salt"), ("cold",), minutes=3, gluten_free=True, stock=400),
    Dish("aam-panna", "Aam Panna", "coolers", "75", "Green mango, roasted and spiced.",
         ("raw mango", "sugar", "cumin", "black salt"), ("cold", "seasonal"), minutes=4, vegan=True, gluten_free=True),
    Dish("jain-pani-puri", "Jain Pani Puri", "chaat", "80", "Eight puris, moong and raw banana, mint water.",
         ("semolina puri", "moong", "raw banana", "mint", "tamarind"), ("bestseller",), "HOT", 8, vegan=True,
         featured=True, stock=200),
    Dish("dahi-puri", "Dahi Puri", "chaat", "110", "Six puris under sweet curd and sev.",
         ("semolina puri", "curd", "moong", "tamarind", "sev"), (), "MEDIUM", 8, options=(_TOPPINGS,)),
    Dish("jain-bhel", "Jain Bhel", "chaat", "95", "Puffed rice, tomato, cucumber and two chutneys.",
         ("puffed rice", "tomato", "cucumber", "sev", "tamarind"), (), "MEDIUM", 6, vegan=True, options=(_TOPPINGS,)),
    Dish("papdi-chaat", "Papdi Chaat", "chaat", "105", "Crisp papdi, chickpeas, curd.",
         ("wheat papdi", "chickpeas", "curd", "tamarind"), (), "MEDIUM", 8, options=(_TOPPINGS,)),
    Dish("jain-thali", "Jain Thali", "meals", "279", "Dal, two vegetables, rice, bread, farsan and a sweet.",
         ("toor dal", "seasonal vegetables", "rice", "wheat", "ghee"), ("bestseller", "lunch"), "MEDIUM", 20,
         featured=True, stock=80, options=(_BREAD,)),
    Dish("paneer-tikka-wrap", "Paneer Tikka Wrap", "meals", "189", "Charred paneer and peppers in a soft roti.",
         ("paneer", "capsicum", "curd", "wheat"), (), "MEDIUM", 14, stock=90),
    Dish("dal-khichdi", "Dal Khichdi", "meals", "159", "Rice and moong with ghee; papad and curd aside.",
         ("rice", "moong dal", "ghee", "cumin"), ("lunch",), minutes=15, gluten_free=True, stock=90),
    Dish("jain-pav-bhaji", "Jain Pav Bhaji", "meals", "169", "Raw banana, peas and tomato; two buttered pav.",
         ("raw banana", "green peas", "tomato", "butter", "pav"), ("bestseller",), "HOT", 15, stock=100),
    Dish("masala-dosa", "Jain Masala Dosa", "meals", "149", "With a raw banana filling, coconut chutney.",
         ("rice", "urad dal", "raw banana", "coconut"), (), "MEDIUM", 14, vegan=True, gluten_free=True, stock=100),
    Dish("khaman", "Nylon Khaman", "snacks", "89", "Steamed gram flour with mustard seed and green chilli.",
         ("gram flour", "mustard seed", "green chilli", "sugar"), (), minutes=5, vegan=True, gluten_free=True),
    Dish("fafda-jalebi", "Fafda Jalebi", "snacks", "120", "The Sunday pair, with papaya sambharo.",
         ("gram flour", "raw papaya", "wheat flour", "sugar", "ghee"), (), minutes=8),
    Dish("methi-thepla", "Methi Thepla", "snacks", "99", "Five theplas, curd and chhundo.",
         ("wheat flour", "fenugreek leaf", "curd", "raw mango"), ("travel",), "MILD", 6),
    Dish("dry-kachori", "Dry Kachori 250 g", "snacks", "140", "A packet for the road.",
         ("wheat flour", "gram flour", "coconut", "sesame"), ("packed",), "MEDIUM", 2, tax=PACKED_TAX, stock=60),
    Dish("shrikhand", "Kesar Shrikhand", "sweets", "110", "Strained curd, saffron, cardamom.",
         ("curd", "sugar", "saffron", "cardamom"), (), "SWEET", 3, gluten_free=True),
    Dish("mohanthal", "Mohanthal", "sweets", "95", "Gram flour roasted in ghee, two pieces.",
         ("gram flour", "ghee", "sugar", "cardamom"), (), "SWEET", 2, gluten_free=True),
    Dish("basundi", "Basundi", "sweets", "105", "Milk, reduced for hours.",
         ("milk", "sugar", "cardamom", "charoli"), (), "SWEET", 3, gluten_free=True),
)  # fmt: skip


@dataclass(frozen=True)
class Outlet:
    """A store of the demo."""

    slug: str
    name: str
    phone: str
    address: Json
    zones: tuple[Json, ...]
    hours: tuple[tuple[str, str], ...]
    closed_days: tuple[int, ...] = ()
    gstin: str = ""


_ALWAYS = (("00:00", "00:00"),)

OUTLETS = (
    Outlet(
        "bandra",
        "Jain Shikanji Bandra",
        "+91 22 4000 1001",
        {
            "addressLine1": "14 Hill Road",
            "city": "Mumbai",
            "state": "Maharashtra",
            "postalCode": "400050",
            "country": "India",
            "location": {"latitude": 19.0544, "longitude": 72.8295},
        },
        (
            {"name": "Bandra", "postalCodes": ["400050", "400051"], "rupees": "25", "minutes": 15},
            {
                "name": "Khar and Santacruz",
                "postalCodes": ["400052", "400054", "400055"],
                "rupees": "40",
                "minutes": 25,
            },
        ),
        _ALWAYS,
        gstin="27ABCDE1234F1Z5",
    ),
    Outlet(
        "dadar",
        "Jain Shikanji Dadar",
        "+91 22 4000 1002",
        {
            "addressLine1": "3 Gokhale Road",
            "city": "Mumbai",
            "state": "Maharashtra",
            "postalCode": "400028",
            "country": "India",
            "location": {"latitude": 19.0213, "longitude": 72.8424},
        },
        ({"name": "Dadar and Matunga", "postalCodes": ["400014", "400019", "400028"], "rupees": "25", "minutes": 20},),
        (("11:00", "15:30"), ("18:00", "00:30")),
        closed_days=(1,),
        gstin="27ABCDE1234F2Z4",
    ),
    Outlet(
        "navrangpura",
        "Jain Shikanji Navrangpura",
        "+91 79 4000 2001",
        {
            "addressLine1": "21 C G Road",
            "city": "Ahmedabad",
            "state": "Gujarat",
            "postalCode": "380009",
            "country": "India",
            "location": {"latitude": 23.0365, "longitude": 72.5611},
        },
        (
            {"name": "Navrangpura", "postalCodes": ["380009", "380006"], "rupees": "20", "minutes": 15},
            {"name": "Satellite", "postalCodes": ["380015"], "rupees": "35", "minutes": 25},
        ),
        _ALWAYS,
        gstin="24ABCDE1234F1Z1",
    ),
)

# Staff of each store: job and name. Emails are <job>.<store>@shikanji.example.
STAFF = (
    ("MANAGER", "Meera Shah"),
    ("CHEF", "Chirag Jain"),
    ("CASHIER", "Kavita Mehta"),
    ("DELIVERY", "Dev Patel"),
    ("SUPPORT", "Sonal Doshi"),
)

CUSTOMERS = (
    (
        "anaya@customers.example",
        "Anaya",
        "Kothari",
        "+91 98200 00001",
        {
            "addressLine1": "7 Turner Road",
            "addressLine2": "4th floor",
            "city": "Mumbai",
            "state": "Maharashtra",
            "postalCode": "400050",
            "country": "India",
            "location": {"latitude": 19.0592, "longitude": 72.8330},
        },
    ),
    (
        "vivaan@customers.example",
        "Vivaan",
        "Parekh",
        "+91 98250 00002",
        {
            "addressLine1": "12 Law Garden",
            "city": "Ahmedabad",
            "state": "Gujarat",
            "postalCode": "380006",
            "country": "India",
            "location": {"latitude": 23.0258, "longitude": 72.5606},
        },
    ),
)

COUPON = "SHIKANJI20"
