// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBatches} from "./IBatches.sol";
import {Deal, DealState} from "../types/Deal.sol";
import {Order} from "../types/Order.sol";
import {OrderId, Side} from "../types/OrderId.sol";
import {Reason} from "../types/Reason.sol";
import {Request} from "../types/Request.sol";

/// @title The energy market of the region
/// @notice The five steps of the paper's section 3.4: identity and application (`placeOrder`), finding a counterpart
/// (price-time order book), legality check (an illegal candidate is passed over and the search goes on), intent, and
/// cooling-off (`confirm`, `abandon`, `expire`) with settlement. A buyer pays the seller's price.
///
/// A `Request` is one word; all bits above its fields are zero. An ask names exactly one energy type; a bid one or more.
interface IEnergyMarket is IBatches {
    /// @notice An order entered the market. `recordHash` is the leaf of the user's own signed order on its slave chain. What
    /// it says holds below the trader's master alone: anybody may copy a hash that it saw, and that takes nobody's place.
    event OrderPlaced(
        OrderId indexed id, uint32 indexed trader, uint8 energyTypes, uint40 energyWh, bytes32 indexed recordHash
    );
    /// @notice An order of a batch was not taken, the others were; or an amendment was not, and the order stands.
    event OrderRefused(uint16 indexed masterId, uint256 indexed index, bytes32 indexed recordHash, Reason reason);
    /// @notice An order of a batch was not cancelled, the others were.
    event OrderPassedOver(OrderId indexed id, Reason reason);
    /// @notice A deal of a batch was left as it is, the others were not. A deal is no item of a batch alone: it may be another
    /// member's, and no member's deal keeps another's from being settled.
    event DealPassedOver(uint64 indexed dealId, Reason reason);
    /// @notice An order left the market for good: its party let a deal end, or a search met it and its trader had means for
    /// nothing, not even if all its open deals ended.
    event TurnLost(OrderId indexed id);
    /// @notice An order left the market for good.
    event OrderCancelled(OrderId indexed id);
    /// @notice The search went past an illegal candidate.
    event CandidatePassedOver(OrderId indexed id, OrderId indexed candidate, Reason reason);
    /// @notice The search ended with candidates left: `matchOrder` goes on.
    event MatchingStopped(OrderId indexed id, Reason reason);
    /// @notice Two orders agreed.
    event IntentRecorded(
        uint64 indexed dealId,
        OrderId indexed ask,
        OrderId indexed bid,
        uint40 energyWh,
        uint16 priceTicks,
        uint40 confirmBefore
    );
    /// @notice One party confirmed.
    event PartyConfirmed(uint64 indexed dealId, Side side);
    /// @notice Both parties confirmed, or there is no cooling-off time: the deal is binding.
    event DealConfirmed(uint64 indexed dealId);
    /// @notice One party abandoned the deal; nothing was transferred.
    event DealAbandoned(uint64 indexed dealId, Side side);
    /// @notice The deal ended without the confirmation of both; nothing was transferred.
    event DealExpired(uint64 indexed dealId);
    /// @notice Money and energy claims moved.
    event DealSettled(uint64 indexed dealId, uint96 money);

    /// @notice A single order is not taken, or cannot be matched further.
    error Refused(Reason reason);
    /// @notice There is no such order, or it is not the caller's.
    error NotYourOrder(OrderId id);
    /// @notice Place one order and match it. It has the least energy that the settings ask for, and a bid is worth no more
    /// than so many times the free money of its trader.
    function placeOrder(Request request, bytes32 recordHash) external returns (OrderId id);

    /// @notice Place many orders, each matched in its turn. One that is refused does not stop the others. The events
    /// name the orders.
    function placeOrders(Request[] calldata requests, bytes32[] calldata recordHashes) external;

    /// @notice Replace what is open of an order by a new price and quantity, at the end of the new queue.
    /// Deals that the order already has stand; what comes back from them does not enter the book again. An amendment that is
    /// refused changes nothing, and an event says so: whose record it was can be held against what was done with it.
    /// @return newId The new order's id; zero if it is refused.
    function amendOrder(OrderId id, uint40 energyWh, uint16 priceTicks, bytes32 recordHash)
        external
        returns (OrderId newId);

    /// @notice Withdraw what is open of orders. Deals that they already have stand. Orders that are not the caller's are
    /// passed over.
    function cancelOrders(OrderId[] calldata ids) external;

    /// @notice Match a waiting order again: where a search that met the candidate limit stopped, else from the start.
    /// @return openWh What of it still waits.
    /// @return goesOn True if it met the candidate limit, and goes on with the next call.
    function matchOrder(OrderId id) external returns (uint256 openWh, bool goesOn);

    /// @notice Confirm deals for the parties on one side. Deals whose party there is not below the caller, that are no
    /// intents or whose cooling-off time is over are passed over.
    function confirm(uint64[] calldata dealIds, Side side) external;

    /// @notice Abandon deals for the parties on one side before they have confirmed; others are passed over. It has a price:
    /// who lets a deal end, so or by not confirming in time, loses the turn, its order leaves the market; and the order of
    /// the other party is not brought together with orders of the same master for `Settings.apartSeconds`. So nobody's
    /// order is let down twice by one master, however many orders that places.
    function abandon(uint64[] calldata dealIds, Side side) external;

    /// @notice End deals whose cooling-off time is over, or that have a suspended party. Any active master may;
    /// others are passed over.
    function expire(uint64[] calldata dealIds) external;

    /// @notice Move money and energy claims of confirmed deals. Any active master may; others are passed over.
    function settle(uint64[] calldata dealIds) external;

    /// @notice Number of deals; their numbers run from 1.
    function dealCount() external view returns (uint64);

    /// @notice A deal by its number.
    function deal(uint64 dealId) external view returns (Deal memory);

    /// @notice An order by its id; all zero if it never was or was removed.
    function order(OrderId id) external view returns (Order memory);

    /// @notice Orders waiting for a counterpart, first come first, best price first.
    /// @param energyTypes Orders that offer or accept one of these.
    /// @param from Place to begin at; 0 for the best.
    /// @param limit How many at most.
    /// @return ids The orders.
    /// @return nextFrom Where the rest begins; `type(uint256).max` if there is none.
    function waitingOrders(uint24 period, Side side, uint8 energyTypes, uint256 from, uint256 limit)
        external
        view
        returns (OrderId[] memory ids, uint256 nextFrom);
}
