"""Contract in, use case, contract out."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any
from uuid import UUID

from google.protobuf.empty_pb2 import Empty
from jainshikanji.inventory.v1 import (
    category_pb2,
    product_pb2,
    product_service_pb2,
    purchasing_pb2,
    purchasing_service_pb2,
    stock_pb2,
    stock_service_pb2,
)
from jainshikanji.inventory.v1.product_service_pb2_grpc import ProductServiceServicer
from jainshikanji.inventory.v1.purchasing_service_pb2_grpc import PurchasingServiceServicer
from jainshikanji.inventory.v1.stock_service_pb2_grpc import StockServiceServicer

from chassis import Call, current_call
from chassis.batching import Batcher
from chassis.clock import now
from chassis.rpc.batch_calls import answer_each
from chassis.rpc.call import ANONYMOUS
from chassis.timestamps import optional_datetime_from_proto
from services.inventory import wire
from services.inventory.app import InventoryApp
from services.inventory.model import menu
from services.inventory.usecases import browsing, categories, pricing, products, purchasing, reservations, stock
from services.inventory.usecases import options as product_options

# One statement holds the lines of so many orders at most.
ORDERS_AT_ONCE = 64


class ProductServicer(ProductServiceServicer):
    """The menu."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app
        self._cacheable = f"public, max-age={app.settings.cache_control_seconds}"

    async def ListProducts(self, request: product_service_pb2.ListProductsRequest, context: Any) -> Any:
        """Answers with the serialized message: from the cache for callers who have not logged in."""
        call = current_call()
        if call.caller is not ANONYMOUS:  # page tokens are the caller's own
            page = await browsing.list_products(self._app, request)
            return page.SerializeToString()
        key = (call.raw_request, menu.today(now()))
        kept = self._app.menu_pages.get(key)
        if kept is None:
            ticket = self._app.menu_pages.ticket()
            kept = (await browsing.list_products(self._app, request)).SerializeToString()
            self._app.menu_pages.put(key, kept, ticket)
        self._let_browsers_keep(call, kept)
        return kept

    async def SearchProducts(
        self, request: product_service_pb2.SearchProductsRequest, context: Any
    ) -> product_service_pb2.SearchProductsResponse:
        return await browsing.search_products(self._app, request)

    async def GetProduct(self, request: product_service_pb2.GetProductRequest, context: Any) -> Any:
        """Answers with the serialized message: from the cache, but never for those who see costs."""
        call = current_call()
        product_id, store_id = UUID(request.id), wire.optional_uuid(request.store_id)
        if browsing.sees_costs(call.caller):
            call.set_header("cache-control", "private, no-store")
            return (await browsing.get_product_with_cost(self._app, product_id, store_id)).SerializeToString()
        message = await browsing.get_product(self._app, product_id, store_id)
        self._let_browsers_keep(call, message)
        return message

    async def CreateProduct(
        self, request: product_service_pb2.CreateProductRequest, context: Any
    ) -> product_pb2.Product:
        return await products.create_product(self._app, request, current_call().caller.account_id)

    async def UpdateProduct(
        self, request: product_service_pb2.UpdateProductRequest, context: Any
    ) -> product_pb2.Product:
        return await products.update_product(self._app, request)

    async def DeleteProduct(self, request: product_service_pb2.DeleteProductRequest, context: Any) -> Empty:
        await products.delete_product(self._app, UUID(request.id))
        return Empty()

    async def ListProductOptions(
        self, request: product_service_pb2.ListProductOptionsRequest, context: Any
    ) -> product_service_pb2.ListProductOptionsResponse:
        options = await product_options.list_options(self._app, UUID(request.id))
        return product_service_pb2.ListProductOptionsResponse(customizations=options)

    async def SetProductOptions(
        self, request: product_service_pb2.SetProductOptionsRequest, context: Any
    ) -> product_service_pb2.SetProductOptionsResponse:
        options = await product_options.set_options(self._app, request)
        return product_service_pb2.SetProductOptionsResponse(customizations=options)

    async def SetProductStoreOffer(
        self, request: product_service_pb2.SetProductStoreOfferRequest, context: Any
    ) -> product_pb2.ProductStoreOffer:
        return await products.set_store_offer(self._app, request, may_price=current_call().scope.everything)

    async def ListCategories(
        self, request: product_service_pb2.ListCategoriesRequest, context: Any
    ) -> product_service_pb2.ListCategoriesResponse:
        caller = current_call().caller
        found = await categories.list_categories(self._app, caller, include_inactive=request.include_inactive)
        return product_service_pb2.ListCategoriesResponse(categories=found)

    async def CreateCategory(
        self, request: product_service_pb2.CreateCategoryRequest, context: Any
    ) -> category_pb2.Category:
        return await categories.create_category(self._app, request)

    async def UpdateCategory(
        self, request: product_service_pb2.UpdateCategoryRequest, context: Any
    ) -> category_pb2.Category:
        return await categories.update_category(self._app, request)

    async def PriceLines(
        self, request: product_service_pb2.PriceLinesRequest, context: Any
    ) -> product_service_pb2.PriceLinesResponse:
        lines = await pricing.price_lines(self._app, UUID(request.store_id), request.lines)
        return product_service_pb2.PriceLinesResponse(lines=lines)

    async def BatchPriceLines(
        self, request: product_service_pb2.BatchPriceLinesRequest, context: Any
    ) -> product_service_pb2.BatchPriceLinesResponse:
        answer = product_service_pb2.BatchPriceLinesResponse()
        return await answer_each(self.PriceLines, request.requests, context, answer)

    def _let_browsers_keep(self, call: Call, message: bytes) -> None:
        call.set_header("cache-control", self._cacheable)
        call.set_header("etag", f'"{hashlib.blake2b(message, digest_size=12).hexdigest()}"')


class StockServicer(StockServiceServicer):
    """Stock, by people and for orders."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app
        self._holds: Batcher[reservations.Wish, None] = Batcher(partial(reservations.hold_all, app), ORDERS_AT_ONCE)

    async def GetInventoryItem(
        self, request: stock_service_pb2.GetInventoryItemRequest, context: Any
    ) -> stock_pb2.InventoryItem:
        return await stock.get_item(self._app, UUID(request.product_id), UUID(request.store_id))

    async def ListInventoryItems(
        self, request: stock_service_pb2.ListInventoryItemsRequest, context: Any
    ) -> stock_service_pb2.ListInventoryItemsResponse:
        return await stock.list_items(self._app, request)

    async def SetStock(self, request: stock_service_pb2.SetStockRequest, context: Any) -> stock_pb2.InventoryItem:
        return await stock.set_stock(self._app, request, current_call().account)

    async def ListStockMovements(
        self, request: stock_service_pb2.ListStockMovementsRequest, context: Any
    ) -> stock_service_pb2.ListStockMovementsResponse:
        return await stock.list_movements(self._app, request)

    async def RecordStockMovement(
        self, request: stock_service_pb2.RecordStockMovementRequest, context: Any
    ) -> stock_pb2.InventoryItem:
        call = current_call()
        return await stock.record_movement(self._app, call, request, call.account)

    async def ListReorderProposals(
        self, request: stock_service_pb2.ListReorderProposalsRequest, context: Any
    ) -> stock_service_pb2.ListReorderProposalsResponse:
        return await stock.list_reorder_proposals(self._app, request)

    async def ReserveStock(
        self, request: stock_service_pb2.ReserveStockRequest, context: Any
    ) -> stock_service_pb2.ReserveStockResponse:
        wish = reservations.wish(
            UUID(request.order_id),
            UUID(request.store_id),
            ((UUID(line.product_id), line.quantity) for line in request.lines),
            optional_datetime_from_proto(request, "expires_at"),
            self._app.settings.reservation_minutes,
        )
        await self._holds.do(wish)
        return stock_service_pb2.ReserveStockResponse()

    async def BatchReserveStock(
        self, request: stock_service_pb2.BatchReserveStockRequest, context: Any
    ) -> stock_service_pb2.BatchReserveStockResponse:
        answer = stock_service_pb2.BatchReserveStockResponse()
        return await answer_each(self.ReserveStock, request.requests, context, answer)

    async def ReleaseStock(
        self, request: stock_service_pb2.ReleaseStockRequest, context: Any
    ) -> stock_service_pb2.ReleaseStockResponse:
        await self._app.run_shielded(reservations.release(self._app, UUID(request.order_id)))
        return stock_service_pb2.ReleaseStockResponse()


class PurchasingServicer(PurchasingServiceServicer):
    """Suppliers and purchase orders."""

    def __init__(self, app: InventoryApp) -> None:
        self._app = app

    async def ListSuppliers(
        self, request: purchasing_service_pb2.ListSuppliersRequest, context: Any
    ) -> purchasing_service_pb2.ListSuppliersResponse:
        return await purchasing.list_suppliers(self._app, request)

    async def CreateSupplier(
        self, request: purchasing_service_pb2.CreateSupplierRequest, context: Any
    ) -> purchasing_pb2.Supplier:
        return await purchasing.create_supplier(self._app, request)

    async def UpdateSupplier(
        self, request: purchasing_service_pb2.UpdateSupplierRequest, context: Any
    ) -> purchasing_pb2.Supplier:
        return await purchasing.update_supplier(self._app, request)

    async def CreatePurchaseOrder(
        self, request: purchasing_service_pb2.CreatePurchaseOrderRequest, context: Any
    ) -> purchasing_pb2.PurchaseOrder:
        return await purchasing.create_purchase_order(self._app, request, current_call().account)

    async def ListPurchaseOrders(
        self, request: purchasing_service_pb2.ListPurchaseOrdersRequest, context: Any
    ) -> purchasing_service_pb2.ListPurchaseOrdersResponse:
        return await purchasing.list_purchase_orders(self._app, current_call().scope, request)

    async def GetPurchaseOrder(
        self, request: purchasing_service_pb2.GetPurchaseOrderRequest, context: Any
    ) -> purchasing_pb2.PurchaseOrder:
        return await purchasing.get_purchase_order(self._app, current_call().scope, UUID(request.id))

    async def ConfirmPurchaseOrder(
        self, request: purchasing_service_pb2.ConfirmPurchaseOrderRequest, context: Any
    ) -> purchasing_pb2.PurchaseOrder:
        return await purchasing.confirm_purchase_order(self._app, current_call().scope, UUID(request.id))

    async def ReceivePurchaseOrder(
        self, request: purchasing_service_pb2.ReceivePurchaseOrderRequest, context: Any
    ) -> purchasing_pb2.PurchaseOrder:
        call = current_call()
        return await purchasing.receive_purchase_order(self._app, call, request, call.account)

    async def CancelPurchaseOrder(
        self, request: purchasing_service_pb2.CancelPurchaseOrderRequest, context: Any
    ) -> purchasing_pb2.PurchaseOrder:
        return await purchasing.cancel_purchase_order(self._app, current_call().scope, UUID(request.id), request.reason)
