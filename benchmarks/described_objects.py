"""Ten objects that a text describes, which `benchmarks.function_calling` asks for."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

__all__ = ["OBJECTS"]


class Person(BaseModel):
    """A person."""

    name: str
    age: int


class Product(BaseModel):
    """A product in a shop."""

    name: str
    price: float = Field(description="in euros")
    in_stock: bool


class Review(BaseModel):
    """The verdict of a review."""

    sentiment: Literal["positive", "neutral", "negative"]
    stars: int = Field(ge=1, le=5)


class Recipe(BaseModel):
    """A recipe."""

    title: str
    ingredients: list[str] = Field(min_length=2)
    minutes: int


class Address(BaseModel):
    """An address."""

    street: str
    city: str
    postcode: str = Field(pattern=r"^\d{5}$")


class Customer(BaseModel):
    """A customer and where he lives."""

    name: str
    email: str | None = None
    address: Address


class Event(BaseModel):
    """An event in a calendar."""

    title: str
    day: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="as YYYY-MM-DD")
    guests: list[str]
    place: str | None = None


class Line(BaseModel):
    """A line of an order."""

    article: str
    quantity: int = Field(gt=0)
    price: float = Field(description="of one piece, in euros")


class Order(BaseModel):
    """An order."""

    number: str
    lines: list[Line]


class Ticket(BaseModel):
    """A customer's complaint."""

    priority: Literal["low", "medium", "high"]
    product: str
    tags: list[Literal["hardware", "software", "billing"]]
    refund: bool


class Department(BaseModel):
    """A department, and those that it is made of."""

    name: str
    head: str
    parts: list[Department] = []


class Circle(BaseModel):
    """A circle."""

    kind: Literal["circle"]
    radius: float


class Rectangle(BaseModel):
    """A rectangle."""

    kind: Literal["rectangle"]
    width: float
    height: float


class Drawing(BaseModel):
    """The cases that are drawn, in order."""

    shapes: list[Circle | Rectangle]
    colours: dict[str, str] = Field(description="the colour of each kind of shape")


# The schema, the prompt, and the object that it describes.
OBJECTS: list[tuple[type[BaseModel], str, dict[str, Any]]] = [
    (Person, "Ada is 36 years old.", {"name": "Ada", "age": 36}),
    (
        Product,
        "The kettle costs 24.90 euros and is sold out.",
        {"name": "kettle", "price": 24.9, "in_stock": False},
    ),
    (
        Review,
        "The reviewer gave one star and wrote: it broke on the first day, never again.",
        {"sentiment": "negative", "stars": 1},
    ),
    (
        Recipe,
        "Pancakes are made of flour, milk and eggs, and take 20 minutes.",
        {"title": "Pancakes", "ingredients": ["flour", "milk", "eggs"], "minutes": 20},
    ),
    (
        Customer,
        "Jan Novak lives at 5 Mill Lane in Springfield, postcode 62701. His e-mail is not known.",
        {
            "name": "Jan Novak",
            "email": None,
            "address": {"street": "5 Mill Lane", "city": "Springfield", "postcode": "62701"},
        },
    ),
    (
        Event,
        "Note a dinner on 3 May 2025 with Ada and Bob. The place is open.",
        {"title": "dinner", "day": "2025-05-03", "guests": ["Ada", "Bob"], "place": None},
    ),
    (
        Order,
        "Order A-17 is for two lamps at 30 euros each and one desk at 199.50 euros.",
        {
            "number": "A-17",
            "lines": [
                {"article": "lamp", "quantity": 2, "price": 30.0},
                {"article": "desk", "quantity": 1, "price": 199.5},
            ],
        },
    ),
    (
        Ticket,
        "Urgent: the printer P200 does not turn on, I was charged twice, and I want my money back.",
        {
            "priority": "high",
            "product": "printer P200",
            "tags": ["hardware", "billing"],
            "refund": True,
        },
    ),
    (
        Department,
        "Sales is led by Ann. It is made of Export, led by Ben, which has a part Asia, led by Dan.",
        {
            "name": "Sales",
            "head": "Ann",
            "parts": [
                {
                    "name": "Export",
                    "head": "Ben",
                    "parts": [{"name": "Asia", "head": "Dan", "parts": []}],
                }
            ],
        },
    ),
    (
        Drawing,
        "Draw a red circle of radius 2, then a blue rectangle 3 wide and 4.5 high.",
        {
            "shapes": [
                {"kind": "circle", "radius": 2.0},
                {"kind": "rectangle", "width": 3.0, "height": 4.5},
            ],
            "colours": {"circle": "red", "rectangle": "blue"},
        },
    ),
]
