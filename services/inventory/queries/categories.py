"""Categories of the menu."""

from __future__ import annotations

from sqlalchemy import any_, bindparam, func, insert, or_, select, update
from sqlalchemy.orm import aliased

from chassis.database import statement
from chassis.database.rows import field_names, table_columns
from chassis.database.tables import table_of
from services.inventory.model.tables import Category
from services.inventory.rows import CategoryRow, NewCategory

_parent = aliased(Category)
_CATEGORY = select(*table_columns(CategoryRow, table_of(Category), parent_slug=_parent.slug)).outerjoin(
    _parent, Category.parent_id == _parent.id
)

LIST_CATEGORIES = statement(
    _CATEGORY.where(or_(Category.is_active, bindparam("include_inactive"))).order_by(
        Category.display_order, Category.name, Category.id
    ),
    row=CategoryRow,
)
GET_CATEGORY = statement(_CATEGORY.where(Category.id == bindparam("category_id")), row=CategoryRow)
LIST_CATEGORIES_BY_SLUG = statement(_CATEGORY.where(Category.slug == any_(bindparam("slugs"))), row=CategoryRow)
INSERT_CATEGORY = statement(insert(Category), columns=field_names(NewCategory))
UPDATE_CATEGORY = statement(
    update(Category)
    .where(Category.id == bindparam("category_id"))
    .values(
        name=func.coalesce(bindparam("name"), Category.name),
        description=func.coalesce(bindparam("description"), Category.description),
        display_order=func.coalesce(bindparam("display_order"), Category.display_order),
        is_active=func.coalesce(bindparam("is_active"), Category.is_active),
        updated_at=func.now(),
    )
)
