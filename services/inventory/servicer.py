"""The rpcs of the inventory service: request to command, one use case, row to response."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.inventory.v1 import product_service_pb2 as products_pb
from jainshikanji.inventory.v1 import purchasing_service_pb2 as purchasing_pb
from jainshikanji.inventory.v1 import stock_service_pb2 as stock_pb
from jainshikanji.inventory.v1.category_pb2 import Category
from jainshikanji.inventory.v1.product_pb2 import Product, ProductStoreOffer
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceServicer
from jainshikanji.inventory.v1.purchasing_pb2 import PurchaseOrder, Supplier
from jainshikanji.inventory.v1.purchasing_service_pb2_grpc import PurchasingServiceServicer
from jainshikanji.inventory.v1.stock_pb2 import InventoryItem
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceServicer

from chassis import Call, current_call, current_caller
from chassis.batching import Batcher
from chassis.clock import now
from chassis.rpc.call import ANONYMOUS
from chassis.rpc.idempotency import Claim
from services.inventory import usecases, wire
from services.inventory.app import InventoryApp
from services.inventory.model.menu import local_date
from services.inventory.usecases.reservations import Reservation
from services.inventory.wire.values import optional_uuid_from_proto

# The maximum number of orders whose lines one statement reserves.
_MAX_BATCH = 64
_LIST_PAGE = 50


class ProductServicer(ProductServiceServicer):
    """Products, options, categories and prices."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app
        self._cacheable = f"public, max-age={app.settings.cache_control_seconds}"

    async def ListProducts(self, request: products_pb.ListProductsRequest, context: Any) -> Any:  # a serialized message
        call = current_call()
        if call.caller is not ANONYMOUS:  # page tokens are bound to their caller
            return (await self._list_products(request)).SerializeToString()
        key = (call.raw_request, local_date(now()))
        message = self._app.menu_pages.get(key)
        if message is None:
            ticket = self._app.menu_pages.ticket()
            message = (await self._list_products(request)).SerializeToString()
            self._app.menu_pages.put(key, message, ticket)
        self._allow_caching(call, message)
        return message

    async def _list_products(self, request: products_pb.ListProductsRequest) -> products_pb.ListProductsResponse:
        page, command = self._app.pages.open(request), wire.products.list_products_from_proto(request)
        rows = await usecases.catalogue.list_products(self._app, current_caller(), command, page)
        today, in_store = local_date(now()), command.store_id is not None
        return products_pb.ListProductsResponse(
            products=[wire.products.product_to_proto(row, today, in_store=in_store) for row in page.trim(rows)],
            next_page_token=page.next_token(
                rows,
                lambda row: (
                    wire.products.sort_value_to_token(row, command.sort, in_store=in_store),
                    str(row.id),
                ),
            ),
        )

    async def SearchProducts(
        self, request: products_pb.SearchProductsRequest, context: Any
    ) -> products_pb.SearchProductsResponse:
        page, command = self._app.pages.open(request), wire.products.search_products_from_proto(request)
        rows = await usecases.catalogue.search_products(self._app, current_caller(), command, page)
        today, in_store = local_date(now()), command.store_id is not None
        return products_pb.SearchProductsResponse(
            products=[wire.products.product_to_proto(row, today, in_store=in_store) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (str(row.score), str(row.id))),
        )

    async def GetProduct(self, request: products_pb.GetProductRequest, context: Any) -> Any:  # a serialized message
        call = current_call()
        product_id, store_id = UUID(request.id), optional_uuid_from_proto(request.store_id)
        if usecases.catalogue.may_see_costs(call.caller):
            call.set_header("cache-control", "private, no-store")
            row = await usecases.catalogue.get_product(self._app, call.caller, product_id, store_id)
            in_store = store_id is not None
            product = wire.products.product_with_cost_to_proto(row, local_date(now()), in_store=in_store)
            return product.SerializeToString()
        message = await usecases.catalogue.get_serialized_product(self._app, call.caller, product_id, store_id)
        self._allow_caching(call, message)
        return message

    async def CreateProduct(self, request: products_pb.CreateProductRequest, context: Any) -> Product:
        changes = wire.products.create_product_from_proto(request)
        row = await usecases.products.create_product(self._app, current_caller(), changes)
        return wire.products.product_with_cost_to_proto(row, local_date(now()))

    async def UpdateProduct(self, request: products_pb.UpdateProductRequest, context: Any) -> Product:
        command = wire.products.update_product_from_proto(request)
        row = await usecases.products.update_product(self._app, current_caller(), command)
        return wire.products.product_with_cost_to_proto(row, local_date(now()))

    async def DeleteProduct(self, request: products_pb.DeleteProductRequest, context: Any) -> Empty:
        await usecases.products.delete_product(self._app, current_caller(), UUID(request.id))
        return Empty()

    async def ListProductOptions(
        self, request: products_pb.ListProductOptionsRequest, context: Any
    ) -> products_pb.ListProductOptionsResponse:
        items = await usecases.options.list_options(self._app, current_caller(), UUID(request.id))
        return products_pb.ListProductOptionsResponse(customizations=wire.products.customizations_to_proto(items))

    async def SetProductOptions(
        self, request: products_pb.SetProductOptionsRequest, context: Any
    ) -> products_pb.SetProductOptionsResponse:
        command = wire.products.set_product_options_from_proto(request)
        items = await usecases.options.set_options(self._app, current_caller(), command)
        return products_pb.SetProductOptionsResponse(customizations=wire.products.customizations_to_proto(items))

    async def SetProductStoreOffer(
        self, request: products_pb.SetProductStoreOfferRequest, context: Any
    ) -> ProductStoreOffer:
        command = wire.products.set_store_offer_from_proto(request)
        row = await usecases.products.set_store_offer(self._app, current_caller(), command)
        return wire.products.store_offer_to_proto(row)

    async def ListCategories(
        self, request: products_pb.ListCategoriesRequest, context: Any
    ) -> products_pb.ListCategoriesResponse:
        rows = await usecases.categories.list_categories(
            self._app, current_caller(), include_inactive=request.include_inactive
        )
        return products_pb.ListCategoriesResponse(categories=map(wire.products.category_to_proto, rows))

    async def CreateCategory(self, request: products_pb.CreateCategoryRequest, context: Any) -> Category:
        command = wire.products.create_category_from_proto(request)
        row = await usecases.categories.create_category(self._app, current_caller(), command)
        return wire.products.category_to_proto(row)

    async def UpdateCategory(self, request: products_pb.UpdateCategoryRequest, context: Any) -> Category:
        command = wire.products.update_category_from_proto(request)
        row = await usecases.categories.update_category(self._app, current_caller(), command)
        return wire.products.category_to_proto(row)

    async def PriceLines(self, request: products_pb.PriceLinesRequest, context: Any) -> products_pb.PriceLinesResponse:
        lines = wire.products.cart_lines_from_proto(request)
        priced = await usecases.prices.price_lines(self._app, current_caller(), UUID(request.store_id), lines)
        return products_pb.PriceLinesResponse(lines=map(wire.products.priced_line_to_proto, priced))

    def _allow_caching(self, call: Call, message: bytes) -> None:
        call.set_header("cache-control", self._cacheable)
        call.set_header("etag", f'"{hashlib.blake2b(message, digest_size=12).hexdigest()}"')


class StockServicer(StockServiceServicer):
    """Stock, and reservations of orders."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app
        self._reservations: Batcher[Reservation, None] = Batcher(
            partial(usecases.reservations.reserve_all, app), _MAX_BATCH
        )

    async def GetInventoryItem(self, request: stock_pb.GetInventoryItemRequest, context: Any) -> InventoryItem:
        product_id, store_id = UUID(request.product_id), UUID(request.store_id)
        view = await usecases.stock.get_item(self._app, current_caller(), product_id, store_id)
        return wire.stock.item_view_to_proto(view)

    async def ListInventoryItems(
        self, request: stock_pb.ListInventoryItemsRequest, context: Any
    ) -> stock_pb.ListInventoryItemsResponse:
        page = self._app.pages.open(request, default_size=_LIST_PAGE)
        command = wire.stock.list_items_from_proto(request)
        rows = await usecases.stock.list_items(self._app, current_caller(), command, page)
        return stock_pb.ListInventoryItemsResponse(
            items=map(wire.stock.item_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.product_id))),
        )

    async def SetStock(self, request: stock_pb.SetStockRequest, context: Any) -> InventoryItem:
        command = wire.stock.set_stock_from_proto(request)
        view = await usecases.stock.set_stock(self._app, current_caller(), command)
        return wire.stock.item_view_to_proto(view)

    async def ListStockMovements(
        self, request: stock_pb.ListStockMovementsRequest, context: Any
    ) -> stock_pb.ListStockMovementsResponse:
        page = self._app.pages.open(request, default_size=_LIST_PAGE)
        command = wire.stock.list_movements_from_proto(request)
        rows = await usecases.stock.list_movements(self._app, current_caller(), command, page)
        return stock_pb.ListStockMovementsResponse(
            movements=map(wire.stock.movement_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (str(row.id),)),
        )

    async def RecordStockMovement(self, request: stock_pb.RecordStockMovementRequest, context: Any) -> InventoryItem:
        call = current_call()
        command = wire.stock.record_movement_from_proto(request, Claim.of(call))
        view = await usecases.stock.record_movement(self._app, call.caller, command)
        return wire.stock.item_view_to_proto(view)

    async def ListReorderProposals(
        self, request: stock_pb.ListReorderProposalsRequest, context: Any
    ) -> stock_pb.ListReorderProposalsResponse:
        page = self._app.pages.open(request, default_size=_LIST_PAGE)
        rows = await usecases.stock.list_reorder_proposals(self._app, current_caller(), UUID(request.store_id), page)
        return stock_pb.ListReorderProposalsResponse(
            proposals=map(wire.stock.reorder_proposal_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.product_id))),
        )

    async def ReserveStock(self, request: stock_pb.ReserveStockRequest, context: Any) -> stock_pb.ReserveStockResponse:
        command = wire.stock.reserve_stock_from_proto(request)
        await self._reservations.do(usecases.reservations.plan_reservation(self._app, command))
        return stock_pb.ReserveStockResponse()

    async def ReleaseStock(self, request: stock_pb.ReleaseStockRequest, context: Any) -> stock_pb.ReleaseStockResponse:
        work = usecases.reservations.release_stock(self._app, current_caller(), UUID(request.order_id))
        await self._app.run_shielded(work)
        return stock_pb.ReleaseStockResponse()


class PurchasingServicer(PurchasingServiceServicer):
    """Suppliers and purchase orders."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app

    async def ListSuppliers(
        self, request: purchasing_pb.ListSuppliersRequest, context: Any
    ) -> purchasing_pb.ListSuppliersResponse:
        page = self._app.pages.open(request, default_size=_LIST_PAGE)
        rows = await usecases.suppliers.list_suppliers(
            self._app, current_caller(), page, include_inactive=request.include_inactive
        )
        return purchasing_pb.ListSuppliersResponse(
            suppliers=[wire.purchasing.supplier_to_proto(row, self._app.cipher) for row in page.trim(rows)],
            next_page_token=page.next_token(rows, lambda row: (row.sort_name, str(row.id))),
        )

    async def CreateSupplier(self, request: purchasing_pb.CreateSupplierRequest, context: Any) -> Supplier:
        command = wire.purchasing.create_supplier_from_proto(request)
        row = await usecases.suppliers.create_supplier(self._app, current_caller(), command)
        return wire.purchasing.supplier_to_proto(row, self._app.cipher)

    async def UpdateSupplier(self, request: purchasing_pb.UpdateSupplierRequest, context: Any) -> Supplier:
        command = wire.purchasing.update_supplier_from_proto(request)
        row = await usecases.suppliers.update_supplier(self._app, current_caller(), command)
        return wire.purchasing.supplier_to_proto(row, self._app.cipher)

    async def CreatePurchaseOrder(
        self, request: purchasing_pb.CreatePurchaseOrderRequest, context: Any
    ) -> PurchaseOrder:
        command = wire.purchasing.create_purchase_order_from_proto(request)
        view = await usecases.purchase_orders.create_purchase_order(self._app, current_caller(), command)
        return wire.purchasing.purchase_order_view_to_proto(view)

    async def ListPurchaseOrders(
        self, request: purchasing_pb.ListPurchaseOrdersRequest, context: Any
    ) -> purchasing_pb.ListPurchaseOrdersResponse:
        page = self._app.pages.open(request)
        command = wire.purchasing.list_purchase_orders_from_proto(request)
        rows = await usecases.purchase_orders.list_purchase_orders(self._app, current_caller(), command, page)
        return purchasing_pb.ListPurchaseOrdersResponse(
            purchase_orders=map(wire.purchasing.purchase_order_to_proto, page.trim(rows)),
            next_page_token=page.next_token(rows, lambda row: (row.created_at.isoformat(), str(row.id))),
        )

    async def GetPurchaseOrder(self, request: purchasing_pb.GetPurchaseOrderRequest, context: Any) -> PurchaseOrder:
        view = await usecases.purchase_orders.get_purchase_order(self._app, current_caller(), UUID(request.id))
        return wire.purchasing.purchase_order_view_to_proto(view)

    async def ConfirmPurchaseOrder(
        self, request: purchasing_pb.ConfirmPurchaseOrderRequest, context: Any
    ) -> PurchaseOrder:
        view = await usecases.purchase_orders.confirm_purchase_order(self._app, current_caller(), UUID(request.id))
        return wire.purchasing.purchase_order_view_to_proto(view)

    async def ReceivePurchaseOrder(
        self, request: purchasing_pb.ReceivePurchaseOrderRequest, context: Any
    ) -> PurchaseOrder:
        call = current_call()
        command = wire.purchasing.receive_purchase_order_from_proto(request, Claim.of(call))
        view = await usecases.purchase_orders.receive_purchase_order(self._app, call.caller, command)
        return wire.purchasing.purchase_order_view_to_proto(view)

    async def CancelPurchaseOrder(
        self, request: purchasing_pb.CancelPurchaseOrderRequest, context: Any
    ) -> PurchaseOrder:
        view = await usecases.purchase_orders.cancel_purchase_order(
            self._app, current_caller(), UUID(request.id), request.reason
        )
        return wire.purchasing.purchase_order_view_to_proto(view)
